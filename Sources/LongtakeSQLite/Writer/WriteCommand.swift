import GRDB
import LongtakeCore

/// One command on its way to the disk, with the caller that waits for it.
struct WriteCommand: Sendable {
    let kind: CommandKind
    /// Until when a vital one is tried again; `nil` for as long as it takes, since a worker has nothing else to do.
    var deadline: ContinuousClock.Instant?
    /// The look of ``WriterWatch`` before it came.
    var arrived = 0
    /// Judges and writes. Returns what to tell the caller once it is durable.
    let run: @Sendable (JobLedger, Database) throws -> @Sendable () -> Void
    /// Harmless where the caller has been told something already.
    let fail: @Sendable (any Error) -> Void

    /// Whether a request asks for it, whose client does not wait for ever. The engine's own commands wait, whatever comes.
    var isAsked: Bool { kind == .submission || kind == .probe || deadline != nil }
}

extension WriteCommand {
    /// - Parameter whenDurable: called on the writer once it is, before the caller is told, and also where that waits no longer.
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
