import Dispatch
import Glibc
import LongtakeCore
import Synchronization

/// What became of one plan.
enum Verdict: Sendable {
    /// With the batch's position of its first event, if it has events.
    case done
    /// A precondition does not hold.
    case stale
    /// The holder of its claim was declared gone.
    case lost
}

/// The only writer of a node: gathers plans, sends them as batches, and finds out what became of a batch whose answer
/// was lost.
///
/// `@unchecked`: ``number`` is touched on the lane's queue only.
final class BatchWriter: @unchecked Sendable {
    /// One durable batch, for the observers.
    struct CommittedBatch: Sendable {
        let epoch: Epoch
        let after: EventPosition
        let events: [CommittedEvent]
        let work: WorkNotice
    }

    /// One plan with its caller.
    struct Command: Sendable {
        let plan: LedgerPlan
        let document: PlanDocument
        let caller: CheckedContinuation<Verdict, any Error>
    }

    private struct BatchAnswer: Decodable {
        var isGone: Bool?
        var verdicts: [String]?
        var first: Int64?
        var previous: Int64?
        var epoch: UInt32?
        var reserved: [String]?
    }

    private static let most = 500
    /// A node sends no other batch before it knows what became of the one before.
    private let lane: Lane
    private let node: HolderID
    private let cut: @Sendable () -> Cut?
    private let notify: @Sendable (CommittedBatch) -> Void
    private var number: Int64 = 0
    private let inbox = Mutex<(commands: [Command], isScheduled: Bool)>(([], false))

    init(
        _ lane: Lane, node: HolderID, cut: @escaping @Sendable () -> Cut?,
        notify: @escaping @Sendable (CommittedBatch) -> Void
    ) {
        self.lane = lane
        self.node = node
        self.cut = cut
        self.notify = notify
    }

    // MARK: Plans

    /// Executes a plan with the next batch.
    func execute(
        _ plan: LedgerPlan, holder: HolderID? = nil, of submission: PreparedSubmission? = nil
    ) async throws -> Verdict {
        let document = try PlanDocument(plan, holder: holder, of: submission)
        return try await withCheckedThrowingContinuation { caller in
            let isFirst = inbox.withLock { inbox in
                inbox.commands.append(Command(plan: plan, document: document, caller: caller))
                defer { inbox.isScheduled = true }
                return !inbox.isScheduled
            }
            if isFirst { lane.queue.async { self.drain() } }
        }
    }

    private func drain() {
        let batch = inbox.withLock { inbox in
            let batch = Array(inbox.commands.prefix(Self.most))
            inbox.commands.removeFirst(batch.count)
            inbox.isScheduled = !inbox.commands.isEmpty
            return batch
        }
        write(batch)
        if inbox.withLock({ $0.isScheduled }) { lane.queue.async { self.drain() } }
    }

    /// States of a batch that may have failed because of one plan, or of another batch.
    private static let contended: Set = ["23505", "40P01", "40001", "55P03"]

    private func write(_ batch: [Command]) {
        do {
            let verdicts = try commit(batch)
            for (command, verdict) in zip(batch, verdicts) { command.caller.resume(returning: verdict) }
        } catch let error as PostgresError where batch.count > 1 && Self.contended.contains(error.state) {
            for command in batch { write([command]) }
        } catch {
            let known =
                switch error {
                case let error as PostgresError: JournalError.cannotPersist(error.description)
                case is ConnectionLost: JournalError.outcomeUnknown("the database does not answer")
                default: error
                }
            for command in batch { command.caller.resume(throwing: known) }
        }
    }

    private func commit(_ batch: [Command]) throws -> [Verdict] {
        let plans = try JSON.text(batch.map(\.document))
        var answer = try transact("CALL lt_write($1, $2, $3, NULL)", [plans])
        let verdicts = (answer.verdicts ?? []).map { text -> Verdict in
            text == "done" ? .done : text == "lost" ? .lost : .stale
        }
        let done = zip(batch, verdicts).filter { $0.1 == .done }.map(\.0)
        let written = Self.written(done)
        // The answer was lost: where the events stand is read back.
        if answer.epoch == nil, let event = written.first {
            answer = try lane.repeated { try lane.connected { try Self.place(event, $0) } }
        }
        if let epoch = answer.epoch.map(Epoch.init(rawValue:)) {
            let first = answer.first ?? 0
            let events = written.enumerated().map { index, event in event.committed(epoch, first + Int64(index)) }
            notify(
                CommittedBatch(
                    epoch: epoch, after: EventPosition(rawValue: answer.previous ?? 0), events: events,
                    work: Self.work(of: done)))
        }
        return verdicts
    }

    /// Reserves stages.
    /// - Returns: their jobs.
    func reserve(_ queue: QueueName, limit: Int) async throws -> [JobID] {
        try await withCheckedThrowingContinuation { caller in
            lane.queue.async {
                caller.resume(
                    with: Result {
                        try self.transact(
                            "CALL lt_reserve($1, $2, $3, $4, NULL)", [queue.description, String(limit)]
                        ).reserved?.compactMap { JobID($0) } ?? []
                    })
            }
        }
    }

    // MARK: Batches

    /// Sends a batch until it is known to have committed.
    private func transact(_ call: String, _ arguments: [String]) throws -> BatchAnswer {
        while true {
            number += 1
            let name = [node.description, String(number)]
            var text: String?
            do {
                text = try lane.connected { try $0.rows(call, name + arguments, cut: cut()).first?.first ?? nil }
            } catch is ConnectionLost {
                guard let known = try settle(name) else { continue }
                text = known
            }
            guard let text else { throw ConnectionLost() }
            let answer =
                text.hasPrefix("[")
                ? BatchAnswer(verdicts: try JSON.value([String].self, text)) : try JSON.value(BatchAnswer.self, text)
            if answer.isGone == true { throw JournalError.gone }
            return answer
        }
    }

    /// Finds out what became of a batch by inserting its row.
    /// - Returns: the stored answer if the batch has committed; `nil` if it never can, because its row is there now.
    private func settle(_ name: [String]) throws -> String? {
        try lane.repeated {
            try lane.connected { connection in
                // Waits for a backend that has inserted the row and has not committed yet.
                let isOurs = try connection.rows(
                    "INSERT INTO batches (node, number) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true", name)
                guard isOurs.isEmpty else { return nil }
                // `nil` also if this node settled it before and lost that answer.
                return try connection.rows("SELECT answer FROM batches WHERE node = $1 AND number = $2", name)
                    .first?.first ?? nil
            }
        }
    }

    // MARK: Events

    private struct Written {
        let plan: LedgerPlan
        let sequence: EventSequence
        let event: PlannedEvent

        func committed(_ epoch: Epoch, _ position: Int64) -> CommittedEvent {
            CommittedEvent(
                id: EventID(epoch: epoch, sequence: sequence), position: EventPosition(rawValue: position),
                job: plan.after.id, tenant: plan.after.tenant, pipeline: plan.after.pipeline.name,
                type: event.event.type, at: plan.at, payload: event.payload)
        }
    }

    /// The events of the plans, in the order of their positions.
    private static func written(_ done: [Command]) -> [Written] {
        done.flatMap { command in
            let plan = command.plan
            let before = plan.after.head.rawValue - Int64(plan.events.count)
            return plan.events.enumerated().map { index, event in
                Written(plan: plan, sequence: EventSequence(rawValue: before + Int64(index) + 1), event: event)
            }
        }
    }

    private static func place(_ event: Written, _ connection: Connection) throws -> BatchAnswer {
        let row = try connection.rows(
            """
            SELECT position, (SELECT coalesce(max(position), 0) FROM events e WHERE e.position < events.position),
                (SELECT epoch FROM meta)
            FROM events JOIN jobs ON jobs.key = events.job WHERE jobs.id = $1 AND seq = $2
            """, [event.plan.after.id.description, event.sequence.description]
        ).first
        return BatchAnswer(
            first: row?[0].flatMap { Int64($0) }, previous: row?[1].flatMap { Int64($0) },
            epoch: row?[2].flatMap { UInt32($0) })
    }

    private static func work(of done: [Command]) -> WorkNotice {
        var work = WorkNotice()
        for command in done {
            for event in command.plan.events {
                if event.event.type.isFinal { work.ended.append(command.plan.after.id) }
                if event.event.type == .jobCancelRequested { work.canceling.append(command.plan.after.id) }
            }
            switch command.plan.wake {
            case .nobody: break
            case .ready(let queue): work.readyQueues.insert(queue)
            case .later(let queue, let due):
                work.delayedQueues[queue] = min(due, work.delayedQueues[queue] ?? due)
            }
        }
        return work
    }
}
