import LongtakeCore
import LongtakeTesting
import Testing

@Suite("the plan of a command")
struct LedgerPlanTests {
    private let now = ClockReading(Timestamp(millisecondsSince1970: 1_000))
    private let holder = HolderID(rawValue: 7)

    private func submitted(_ number: Int = 1) throws -> JobFacts {
        let prepared = try PreparedSubmission(Samples.submission(number))
        let judgement = try SubmissionJudgement(
            prepared, on: SubmissionFacts(queuedJobs: 0), queuedJobsLimit: 1, at: now)
        guard case .create(let plan) = judgement else { throw JournalError.closed }
        return plan.after
    }

    private func claimed() throws -> JobFacts { try LedgerPlan.claim(by: holder, on: submitted(), at: now).after }

    private func id(_ facts: JobFacts) -> ClaimID {
        ClaimID(job: facts.id, stageIndex: facts.life.stageIndex, fence: facts.fence)
    }

    @Test("of a submission inserts the job, counts it, and wakes its queue")
    func submission() throws {
        let prepared = try PreparedSubmission(Samples.submission(1))
        let judgement = try SubmissionJudgement(
            prepared, on: SubmissionFacts(queuedJobs: 0), queuedJobsLimit: 1, at: now)
        guard case .create(let plan) = judgement else { return #expect(Bool(false)) }
        #expect(plan.rows == .insert && plan.queuedJobs == 1 && plan.preconditions.state == nil)
        #expect(plan.entersReady == Samples.cpu && plan.wake == .ready(Samples.cpu))
        #expect(plan.after.head.rawValue == 1 && plan.events.map(\.event.type) == [.jobQueued])
        #expect(plan.preconditions.hold(for: nil) { _ in false })
        #expect(!plan.preconditions.hold(for: plan.after) { _ in false }, "a job that exists is not made again")
    }

    @Test("of a claim raises the fence, names the holder, and wants the queue open")
    func claim() throws {
        let facts = try submitted()
        let plan = try LedgerPlan.claim(by: holder, on: facts, at: now)
        #expect(plan.after.fence == facts.fence.next && plan.after.holder == holder)
        #expect(plan.leavesReady == Samples.cpu && plan.queuedJobs == -1 && plan.wake == .nobody)
        #expect(plan.preconditions.hold(for: facts) { _ in false })
        #expect(!plan.preconditions.hold(for: facts) { $0 == Samples.cpu }, "nothing of a paused queue is claimed")
        #expect(throws: JournalError.refused(.alreadyClaimed)) {
            try LedgerPlan.claim(by: holder, on: plan.after, at: now)
        }
    }

    @Test("does not fit a job that has changed in any way since it was judged")
    func preconditions() throws {
        let facts = try claimed()
        let plan = try LedgerPlan.cancel(facts, at: now)
        let changes: [(inout JobFacts) -> Void] = [
            { $0.head = $0.head.next }, { $0.life.phase = .canceling }, { $0.life.stageIndex += 1 },
            { $0.fence = $0.fence.next }, { $0.holder = HolderID(rawValue: 8) }, { $0.holder = nil },
            { $0.dueAt = now.time },
        ]
        for change in changes {
            var other = facts
            change(&other)
            #expect(!plan.preconditions.hold(for: other) { _ in false })
        }
        #expect(!plan.preconditions.hold(for: nil) { _ in false })
        #expect(plan == (try LedgerPlan.cancel(facts, at: now)), "judging has no effect")
    }

    @Test("of work is refused to another holder, an older claim, and another stage")
    func fencing() throws {
        let facts = try claimed()
        let report = JobCommand.report(StageReport(progress: Progress(0.5), message: ""))
        _ = try LedgerPlan.work(report, by: id(facts), of: holder, on: facts, at: now)
        for (claim, holder) in [
            (id(facts), HolderID(rawValue: 8)),
            (ClaimID(job: facts.id, stageIndex: 0, fence: .unclaimed), holder),
            (ClaimID(job: facts.id, stageIndex: 1, fence: facts.fence), holder),
        ] {
            #expect(throws: JournalError.notOwner) {
                try LedgerPlan.work(report, by: claim, of: holder, on: facts, at: now)
            }
        }
    }

    @Test("of a report moves no row, unless it brings a checkpoint")
    func report() throws {
        let facts = try claimed()
        func plan(_ checkpoint: JSONValue?) throws -> LedgerPlan {
            let report = StageReport(progress: Progress(0.5), message: "half", checkpoint: checkpoint)
            return try LedgerPlan.work(.report(report), by: id(facts), of: holder, on: facts, at: now)
        }
        #expect(try plan(nil).rows == .none)
        #expect(try plan(.integer(1)).rows == .checkpoint && plan(.integer(1)).checkpoint == .integer(1))
        #expect(try plan(.integer(1)).events.first?.payload.contains("checkpoint") == false)
    }

    @Test("of a stage that succeeds keeps its output for the next one, whose fence begins anew")
    func nextStage() throws {
        let facts = try claimed()
        let plan = try LedgerPlan.work(
            .succeed(output: .string("a")), by: id(facts), of: holder, on: facts, at: now)
        #expect(plan.rows == .nextStage && plan.stageOutput == .string("a"))
        #expect(plan.after.fence == .unclaimed && plan.after.holder == nil && plan.wake == .ready(Samples.gpu))
    }

    @Test("of a retry says from when on the stage can be claimed, and drops its checkpoint")
    func retry() throws {
        let facts = try claimed()
        let error = JobError(code: "stage_failed", message: "no", stage: facts.stage.name)
        let plan = try LedgerPlan.work(
            .retry(error: error, delay: .seconds(2)), by: id(facts), of: holder, on: facts, at: now)
        let due = now.steady.advanced(by: .seconds(2))
        #expect(plan.wake == .later(Samples.cpu, due) && plan.after.dueAt == due && plan.dropsCheckpoint)
        let ready = LedgerPlan.stageIsDue(plan.after, at: now)
        #expect(ready.rows == .stageIsDue && ready.entersReady == Samples.cpu && ready.after.isReady)
    }

    @Test("a known key returns its job even when new jobs are rejected")
    func knownKey() throws {
        let prepared = try PreparedSubmission(Samples.submission(1, key: "k"))
        func judge(_ facts: SubmissionFacts) throws -> SubmissionJudgement {
            try SubmissionJudgement(prepared, on: facts, queuedJobsLimit: 1, at: now)
        }
        let known = SubmissionFacts(knownFingerprint: prepared.fingerprint, origin: .missing, queuedJobs: 1)
        #expect(try judge(known) == .replay)
        #expect(try judge(SubmissionFacts(knownFingerprint: "other", queuedJobs: 1)) == .conflict)
        #expect(throws: JournalError.tooManyQueued) { try judge(SubmissionFacts(queuedJobs: 1)) }
        #expect(throws: JournalError.noSuchJob) { try judge(SubmissionFacts(origin: .missing, queuedJobs: 0)) }
        #expect(throws: JournalError.refused(.notRetryable)) {
            try judge(SubmissionFacts(origin: .found(.running), queuedJobs: 0))
        }
    }
}
