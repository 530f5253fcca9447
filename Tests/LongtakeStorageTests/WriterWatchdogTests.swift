import LongtakeCore
import Testing

@testable import LongtakeStorage

/// A command without a store.
struct TestCommand: QueuedCommand, Equatable {
    let kind: CommandKind
    var isRequested: Bool
    var arrivalTick = 0

    init(_ kind: CommandKind, isRequested: Bool? = nil) {
        self.kind = kind
        self.isRequested = isRequested ?? (kind == .submission || kind == .probe)
    }

    /// A critical command that a client waits for.
    static let cancel = TestCommand(.critical, isRequested: true)
}

@Suite("the watchdog of the writer")
struct WriterWatchdogTests {
    private typealias Watchdog = WriterWatchdog<TestCommand>

    @Test("the disk is stalled once an access outlasts the limit, and until it ends")
    func stalled() {
        var watchdog = Watchdog()
        watchdog.tick()
        watchdog.beginDiskAccess()
        for _ in 1...Watchdog.stallTicks {
            watchdog.tick()
            #expect(!watchdog.isStalled)
        }
        watchdog.tick()
        #expect(watchdog.isStalled)
        watchdog.endDiskAccess()
        #expect(!watchdog.isStalled)
    }

    @Test("many short accesses are not one long access")
    func short() {
        var watchdog = Watchdog()
        for _ in 1...100 {
            watchdog.beginDiskAccess()
            watchdog.tick()
            #expect(!watchdog.isStalled)
            watchdog.endDiskAccess()
        }
    }

    @Test("while the disk is stalled, commands of clients are rejected and those of the engine are not")
    func rejects() {
        let watchdog = Self.stalled()
        for command in [TestCommand(.submission), TestCommand(.probe), .cancel] {
            #expect(watchdog.mustReject(command) && !Watchdog().mustReject(command))
        }
        for kind in [CommandKind.report, .normal, .critical, .maintenance] {
            #expect(!watchdog.mustReject(TestCommand(kind)))
        }
    }

    @Test("a running command is unanswered once: a probe at once, a client's after its time, the engine's never")
    func unanswered() {
        var watchdog = Self.stalled(
            with: [.submission, .probe, .critical].map { TestCommand($0) } + [.cancel])
        #expect(watchdog.takeUnanswered().map(\.kind) == [.probe])
        #expect(watchdog.takeUnanswered().isEmpty)
        for _ in watchdog.ticks..<(Watchdog.responseTicks - 1) { watchdog.tick() }
        #expect(watchdog.takeUnanswered().isEmpty)
        watchdog.tick()
        #expect(watchdog.takeUnanswered().map(\.kind) == [.submission, .critical])
        #expect(watchdog.takeUnanswered().isEmpty && !watchdog.isIdle)
    }

    private static func stalled(with batch: [TestCommand] = []) -> Watchdog {
        var watchdog = Watchdog()
        watchdog.take(batch)
        watchdog.beginDiskAccess()
        while !watchdog.isStalled { watchdog.tick() }
        return watchdog
    }
}
