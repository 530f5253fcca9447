import Logging
import LongtakeCore
import LongtakeTesting
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import LongtakeStream

/// A counter that tasks share.
final class Counter: Sendable {
    let count = Mutex(0)
}

/// A flag that tasks share.
final class Flag: Sendable {
    let isSet = Mutex(false)
}

/// Unchecked, because the test only checks whether the stream still exists.
final class WeakStream: @unchecked Sendable {
    weak var stream: StreamSubscriber?
}

/// A hub with one job in its store, and one slot for a stream of it.
final class Stage: Sendable {
    let loop = NIOAsyncTestingEventLoop()
    let journal: GatedJournal
    let hub: StreamHub
    let job: JobID
    let sink = RecordingSink()
    let stream = Mutex<NIOLoopBound<StreamSubscriber>?>(nil)
    private let slot = Mutex<StreamSlot?>(nil)

    /// - Parameters:
    ///   - isHeld: whether reads wait for ``GatedJournal/open``.
    ///   - isRemote: whether the hub is on another handle of the store, which only announces
    ///     events.
    ///   - isSilent: whether the hub gets notices only from ``GatedJournal/notify(_:)``.
    init(
        maxStreams: Int = 10, isHeld: Bool = false, isRemote: Bool = false, isSilent: Bool = false,
        besides others: [NIOAsyncTestingEventLoop] = []
    ) async throws {
        journal = GatedJournal(isRemote: isRemote, isSilent: isSilent)
        if !isHeld { journal.open.give() }
        hub = StreamHub(
            journal: journal, loops: [loop] + others,
            configuration: StreamConfiguration(
                heartbeat: .seconds(15), maxStreams: maxStreams, maxAge: nil, random: { 7 }),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        job = try #require(JobID("job_" + String(repeating: "0", count: 26)))
        let stage = LongtakeCore.Stage(
            name: StageName(unchecked: "only"), queue: QueueName(unchecked: "cpu"), expectedSeconds: 1,
            timeLimitSeconds: nil,
            work: .simulated(SimulatedWork(steps: 1, message: "", lengthSeconds: 1, output: nil)))
        let pipeline = Pipeline(name: PipelineName(unchecked: "one"), stages: [stage])
        _ = try await journal.origin.submit(Submission(id: job, pipeline: pipeline, input: .object([:])))
        slot.withLock { $0 = hub.takeSlot() }
    }

    func open(
        after cursor: Int64, isFeed: Bool = false, prunedThrough: Int64 = 0, heartbeatEvents: Bool = false,
        estimates: Bool = false
    ) async throws {
        let opening = StreamOpening(
            source: isFeed ? .feed(FeedFilter()) : .job(job), tenant: .anonymous, format: .events,
            heartbeatEvents: heartbeatEvents, estimates: estimates, prelude: ByteBuffer(string: "hello\n"),
            epoch: Epoch(rawValue: 1), cursor: LogOffset(EventSequence(rawValue: cursor)),
            prunedThrough: EventPosition(rawValue: prunedThrough),
            slot: slot.withLock { slot in
                defer { slot = nil }
                return slot
            })
        try await loop.executeInContext { [self] in
            let made = hub.makeStream(opening, on: loop, sink: sink)
            let bound = NIOLoopBound(made, eventLoop: loop)
            stream.withLock { $0 = bound }
            made.start(opening)
        }
        await loop.run()
    }

    /// Begins to wait for an event, and returns when the wait is registered.
    /// - Returns: is set when the wait is over.
    func wait(behind cursor: Int64) async throws -> Flag {
        let isOver = Flag()
        // Unstructured: the test goes on, and sees the end of the wait in the flag.
        Task { [self] in
            try await hub.waitForEvent(
                of: job, of: .anonymous, after: EventSequence(rawValue: cursor), upTo: .seconds(50_000)
            ) { false }
            isOver.isSet.withLock { $0 = true }
        }
        await LongtakeTesting.until {
            await loop.run()
            return !hub.followedTenants.isEmpty
        }
        return isOver
    }

    /// The ids that the client received, in order.
    var ids: [String] {
        sink.state.withLock { $0.text }.split(separator: "\n").filter { $0.hasPrefix("id: ") }.map {
            String($0.dropFirst(4))
        }
    }

    /// Runs the loop until the condition holds for what the stream has sent. Reads end on other
    /// threads, so the test yields to them.
    func until(_ condition: @Sendable (RecordingSink.State) -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(120)
        var turns = 0
        while !condition(sink.state.withLock { $0 }) {
            try #require(ContinuousClock.now < deadline, "\(sink.state.withLock { $0.text })")
            await loop.advanceTime(by: .milliseconds(10))
            // Those threads need the processor.
            turns += 1
            if turns.isMultiple(of: 16) { await pauseBriefly() } else { await Task.yield() }
        }
    }
}

/// Records what a stream sends.
final class RecordingSink: StreamSink, Sendable {
    struct State {
        var text = ""
        var isStuck = false
        var isFinished = false
        var isAborted = false
    }

    let state = Mutex(State())
    var isWritable: Bool { state.withLock { !$0.isStuck } }

    let framing: any StreamFraming.Type = Unframed.self

    /// Runs within each send, for example to close the connection.
    let onSend = Mutex<(@Sendable () -> Void)?>(nil)

    func send(_ bytes: ByteBuffer) -> Int {
        let pieces = state.withLock { state in
            state.text += String(buffer: bytes)
            return state.isStuck ? 1 : 0
        }
        onSend.withLock { $0 }?()
        return pieces
    }

    func finish(_ close: StreamClose) { state.withLock { $0.isFinished = true } }

    func abort(_ close: StreamClose) {
        state.withLock { $0.isAborted = true }
    }
}

extension LoopTasks {
    /// Waits until no task runs.
    func idle(on loop: any EventLoop) async throws {
        try #require(await finished(within: .seconds(50_000), on: loop))
    }
}
