import Foundation
import LongtakeCore

/// A plan as the procedure `lt_write` reads it: the preconditions, the rows and the events, and no rule.
struct PlanDocument: Encodable, Sendable {
    let job: JobID
    /// Whose claim the plan is about: its row must still be there.
    var holder: Int64?
    var openQueue: String?
    var expect: Expected?
    let at: Int64
    let rows: String
    let after: After
    let events: [Event]
    var new: New?
    var output: String?
    var error: String?
    var finishedAt: Int64?
    var stageOutput: String?
    var checkpoint: String?
    let dropsCheckpoint: Bool

    struct Expected: Encodable, Sendable {
        let head: Int64
        let phase: String
        let stageIndex: Int
        let fence: Int64
        let holder: Int64?
        let dueAt: Int64?
    }

    struct After: Encodable, Sendable {
        let head: Int64
        let state: String
        let phase: String
        let stageIndex: Int
        let queue: String
        let stageState: String
        let attempt: Int
        let stageProgress: Double
        let fence: Int64
        let holder: Int64?
        let dueAt: Int64?
        let startedAt: Int64?
        let startedSteady: Int64?
        let stageStartedAt: Int64?
        let stageStartedSteady: Int64?
    }

    struct Event: Encodable, Sendable {
        let type: String
        let payload: String
    }

    struct New: Encodable, Sendable {
        let tenant: String
        let key: String?
        let fingerprint: String?
        let definition: String
        let priority: Int
        let input: String
        let metadata: String
        let simulation: String?
        let retryOf: String?
    }

    /// - Parameter holder: of the claim that the plan is about, if it is about one.
    init(_ plan: LedgerPlan, holder: HolderID? = nil, of submission: PreparedSubmission? = nil) throws {
        job = plan.after.id
        self.holder = holder?.rawValue
        openQueue = plan.preconditions.openQueue?.description
        expect = plan.preconditions.state.map {
            Expected(
                head: $0.head.rawValue, phase: $0.phase.column, stageIndex: $0.stageIndex, fence: $0.fence.rawValue,
                holder: $0.holder?.rawValue, dueAt: $0.dueAt?.millisecondsSince1970)
        }
        at = plan.at.millisecondsSince1970
        rows = "\(plan.rows)"
        after = After(plan.after)
        events = plan.events.map { Event(type: $0.event.type.rawValue, payload: $0.payload) }
        switch plan.ending {
        case .succeeded(let value): output = try JSON.text(value)
        case .failed(let reason): error = try JSON.text(reason)
        case .canceled, nil: break
        }
        finishedAt = plan.finishedAt?.millisecondsSince1970
        stageOutput = try plan.stageOutput.map { try JSON.text($0) }
        checkpoint = try plan.checkpoint.map { try JSON.text($0) }
        dropsCheckpoint = plan.dropsCheckpoint || plan.rows == .nextStage
        new = try submission.map { try New($0) }
    }
}

extension PlanDocument.After {
    init(_ facts: JobFacts) {
        self.init(
            head: facts.head.rawValue, state: facts.life.state.rawValue, phase: facts.life.phase.column,
            stageIndex: facts.life.stageIndex, queue: facts.stage.queue.description,
            stageState: facts.life.stageState.rawValue, attempt: facts.life.attempt,
            stageProgress: facts.life.stageProgress.value, fence: facts.fence.rawValue,
            holder: facts.holder?.rawValue, dueAt: facts.dueAt?.millisecondsSince1970,
            startedAt: facts.life.startedAt?.time.millisecondsSince1970,
            startedSteady: facts.life.startedAt?.steady.millisecondsSince1970,
            stageStartedAt: facts.life.stageStartedAt?.time.millisecondsSince1970,
            stageStartedSteady: facts.life.stageStartedAt?.steady.millisecondsSince1970)
    }
}

extension PlanDocument.New {
    init(_ prepared: PreparedSubmission) throws {
        let submission = prepared.submission
        self.init(
            tenant: submission.tenant.description, key: submission.idempotencyKey, fingerprint: prepared.fingerprint,
            definition: try JSON.text(submission.pipeline), priority: submission.priority.rawValue,
            input: try JSON.text(submission.input), metadata: try JSON.text(submission.metadata),
            simulation: try submission.simulation.map { try JSON.text($0) },
            retryOf: submission.retryOf?.description)
    }
}

/// JSON through Foundation: what the core uses is visible within its package only.
enum JSON {
    static func text(_ value: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }

    static func value<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(text.utf8))
    }
}

extension JobLife.Phase {
    /// With the reason of a suspended stage.
    var column: String {
        switch self {
        case .queued: "queued"
        case .waiting: "waiting"
        case .retrying: "retrying"
        case .suspended(let reason): "suspended:\(reason.rawValue)"
        case .executing: "executing"
        case .canceling: "canceling"
        case .succeeded: "succeeded"
        case .failed: "failed"
        case .canceled: "canceled"
        }
    }

    private static let all: [JobLife.Phase] = [
        .queued, .waiting, .retrying, .suspended(.restart), .suspended(.crash), .executing, .canceling, .succeeded,
        .failed, .canceled,
    ]

    init?(column: String) {
        guard let phase = Self.all.first(where: { $0.column == column }) else { return nil }
        self = phase
    }
}
