import LongtakeCore
import LongtakeStorage
import LongtakeTesting

/// One command of the writer, with the caller that waits for its result. It checks what its caller
/// is told (O7).
final class SimulatedCommand: QueuedCommand {
    let kind: CommandKind
    /// When its caller stops to wait for another try.
    let deadline: Duration?
    /// The claim of the worker that writes it.
    let author: ClaimID?
    var arrivalTick = 0
    /// The order in which the commands arrived.
    var number = 0
    private(set) var isAnswered = false
    private var isDurable = false
    /// The caller was told that the command has not happened.
    private var isDenied = false
    private let body: (inout MemoryLedger, ClockReading) throws -> () -> Void
    private let reject: (any Error) -> Void
    private let stage: Stagehand

    /// - Parameters:
    ///   - body: makes the plan and executes it. Returns what answers the caller.
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

    /// Lanes as the writer has them.
    enum Lane: Hashable { case submissions, maintenance, others }

    var lane: Lane {
        switch kind {
        case .submission: .submissions
        case .maintenance: .maintenance
        default: .others
        }
    }

    /// - Returns: what answers the caller once the transaction is durable.
    func run(_ ledger: inout MemoryLedger, _ time: ClockReading) throws -> () -> Void {
        let answer = try body(&ledger, time)
        return { [self] in
            stage.verdict.check(isDurable, .honesty, "a \(kind) command is acknowledged and not durable")
            guard !isAnswered else { return }
            isAnswered = true
            answer()
        }
    }

    /// The transaction that contains it is durable.
    func commit() {
        stage.verdict.check(!isDurable, .writer, "a \(kind) command has happened twice")
        stage.verdict.check(
            !isDenied, .honesty, "a \(kind) command has happened, and its caller was told that it has not")
        isDurable = true
    }

    func fail(_ error: any Error) {
        switch error as? JournalError {
        case .unanswered, .outcomeUnknown: break
        default:
            stage.verdict.check(
                !isDurable || isAnswered, .honesty,
                "the caller of a \(kind) command is told “\(error)”, and it has happened")
            if !isAnswered { isDenied = true }
        }
        if case .cannotPersist = error as? JournalError { stage.noteRefusal() }
        guard !isAnswered else { return }
        isAnswered = true
        reject(error)
    }
}
