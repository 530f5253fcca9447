import Dispatch
import GRDB
import Logging
import LongtakeCore
import LongtakeStorage
import Synchronization

/// One command of the writer, with the caller that waits for its result.
struct WriteCommand: QueuedCommand, Sendable {
    let kind: CommandKind
    /// Until when a critical command is retried; `nil` for no limit, because a worker has nothing
    /// else to do.
    var deadline: ContinuousClock.Instant?
    var arrivalTick = 0
    /// Makes the plan and writes it. Returns what answers the caller once the transaction is
    /// durable.
    let run: @Sendable (JobLedger, Database) throws -> @Sendable () -> Void
    /// Does nothing if the caller has an answer already.
    let fail: @Sendable (any Error) -> Void

    var isRequested: Bool { kind == .submission || kind == .probe || deadline != nil }
}

extension WriteCommand {
    /// - Parameter whenDurable: called on the writer once the command is durable, before the caller
    ///   is answered, and even if the caller waits no longer.
    init<Value: Sendable>(
        _ kind: CommandKind, deadline: ContinuousClock.Instant?, for caller: FirstResult<Value>,
        whenDurable: @escaping @Sendable () -> Void,
        _ body: @escaping @Sendable (JobLedger, Database) throws -> Value
    ) {
        self.init(kind: kind, deadline: deadline) { ledger, db in
            let value = try body(ledger, db)
            return {
                whenDurable()
                caller.give(.success(value))
            }
        } fail: {
            caller.give(.failure($0))
        }
    }
}

/// The ``CommandQueue`` of the writer behind a lock, with its timer. A thin shell.
///
/// While there are commands, it checks once per second, away from the writer's thread, if the
/// writer returns from the disk.
final class WaitingCommands: Sendable {
    private let state = Mutex(CommandQueue<WriteCommand>())
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    /// - Throws: ``JournalError`` if the command is rejected.
    func add(_ command: WriteCommand) throws(JournalError) -> WriterWake {
        let (wake, startsTicking) = try state.withLock { queue throws(JournalError) in try queue.add(command) }
        if startsTicking { tickLater() }
        return wake
    }

    func gather() -> Bool { state.withLock { $0.gather() } }

    /// The commands of the next transaction. The writer has them until ``finishBatch()``.
    func take() -> [WriteCommand] { state.withLock { $0.take() } }

    func finishBatch() { state.withLock { $0.finishBatch() } }

    /// Watches an access to the disk, which may not return.
    func whileAccessingDisk<Value>(_ body: () throws -> Value) rethrows -> Value {
        state.withLock { $0.beginDiskAccess() }
        defer { state.withLock { $0.endDiskAccess() } }
        return try body()
    }

    func park(_ command: WriteCommand) { state.withLock { $0.park(command) } }

    func unpark() -> WriterWake { state.withLock { $0.unpark() } }

    /// From here on, only commands that end work, and maintenance, are accepted.
    func block(with error: JournalError) { state.withLock { $0.block(with: error) } }

    func unblock() -> WriterWake { state.withLock { $0.unblock() } }

    /// Rejects all later commands. Those that wait still run.
    func refuse(with error: JournalError) { state.withLock { $0.refuse(with: error) } }

    /// Rejects all later commands, and returns those that wait, which never run.
    func abandon(with error: JournalError) -> [WriteCommand] { state.withLock { $0.abandon(with: error) } }

    private func tickLater() {
        let interval = Int(StorageLimits.watchdogInterval / .milliseconds(1))
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(interval)) { self.tick() }
    }

    private func tick() {
        let tick = state.withLock { $0.tick() }
        if tick.goesOn { tickLater() }
        for (command, error) in tick.failed { command.fail(error) }
        switch tick.stallChange {
        case true?: logger.error("the disk does not answer; new jobs are rejected until it does")
        case false?: logger.notice("the disk answers again")
        case nil: break
        }
    }
}
