import LongtakeCore
import LongtakeStorage
import LongtakeTesting

/// One command of the writer, with the caller that waits for its result. It checks that the caller
/// gets a true result (O7).
final class SimulatedCommand: QueuedCommand {
    let kind: CommandKind
    /// The time at which its caller stops waiting for another try.
    let deadline: Duration?
    /// The claim of the worker that writes it.
    let author: ClaimID?
    var arrivalTick = 0
    /// The order in which the commands arrived.
    var number = 0
    private(set) var isAnswered = false
    private var isDurable = false
    /// The caller got an error that means that the command was not executed.
    private var isDenied = false
    private let body: (inout MemoryLedger, ClockReading) throws -> () -> Void
    private let reject: (any Error) -> Void
    private let stage: Stagehand

    /// - Parameters:
    ///   - body: makes the plan and executes it. It returns a function that answers the caller.
    ///   - reject: answers the caller with an error.
    init(
        _ kind: CommandKind, by author: ClaimID?, until deadline: Duration?, stage: Stagehand,
        _ body: @escaping (inout MemoryLedger, ClockReading) throws -> () -> Void,
        reject: @escaping (any Error) -> Void
    ) {
        self.kind = kind
        self.author = author
        self.deadline = deadline
        self.stage = stage
        self.body = body
        self.reject = reject
    }

    var isRequested: Bool { kind == .submission || kind == .probe || deadline != nil }

    /// The lanes of the writer.
    enum Lane: Hashable { case submissions, maintenance, others }

    var lane: Lane {
        switch kind {
        case .submission: .submissions
        case .maintenance: .maintenance
        default: .others
        }
    }

    /// - Returns: a function that answers the caller when the transaction is durable.
    func run(_ ledger: inout MemoryLedger, _ time: ClockReading) throws -> () -> Void {
        let answer = try body(&ledger, time)
        return { [self] in
            stage.verdict.check(isDurable, .honesty, "a \(kind) command is acknowledged, but not durable")
            guard !isAnswered else { return }
            isAnswered = true
            answer()
        }
    }

    /// The transaction that contains it is durable.
    func commit() {
        stage.verdict.check(!isDurable, .writer, "a \(kind) command is executed twice")
        stage.verdict.check(
            !isDenied, .honesty, "a \(kind) command is durable, but its caller got an error")
        isDurable = true
    }

    func fail(_ error: any Error) {
        switch error as? JournalError {
        case .unanswered, .outcomeUnknown: break
        default:
            stage.verdict.check(
                !isDurable || isAnswered, .honesty,
                "the caller of a \(kind) command gets “\(error)”, but the command is durable")
            if !isAnswered { isDenied = true }
        }
        if case .cannotPersist = error as? JournalError { stage.noteRefusal() }
        guard !isAnswered else { return }
        isAnswered = true
        reject(error)
    }
}
