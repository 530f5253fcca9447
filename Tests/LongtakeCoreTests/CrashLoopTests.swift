import LongtakeCore
import LongtakeTesting
import Testing

@Suite("a stage in a crash loop")
struct CrashLoopTests {
    private let now = ClockReading(Timestamp(millisecondsSince1970: 1_000))
    private let holder = HolderID(rawValue: 7)

    private func submitted(_ pipeline: Pipeline = Samples.commandPipeline) throws -> JobFacts {
        let prepared = try PreparedSubmission(Samples.submission(1, pipeline: pipeline))
        let judgement = try SubmissionJudgement(
            prepared, on: SubmissionFacts(queuedJobs: 0), queuedJobsLimit: 1, at: now)
        guard case .create(let plan) = judgement else { throw JournalError.closed }
        return plan.after
    }

    private func claim(_ facts: inout JobFacts) throws {
        facts = try LedgerPlan.claim(by: holder, on: facts, at: now).after
    }

    private func recover(_ facts: inout JobFacts) throws {
        facts = try LedgerPlan.recover(facts, at: now).after
    }

    private func work(_ command: JobCommand, _ facts: JobFacts) throws -> LedgerPlan {
        let id = ClaimID(job: facts.id, stageIndex: facts.life.stageIndex, fence: facts.fence)
        return try LedgerPlan.work(command, by: id, of: holder, on: facts, at: now)
    }

    private func crash(_ facts: inout JobFacts, times: Int) throws {
        for _ in 0..<times {
            try claim(&facts)
            try recover(&facts)
        }
    }

    @Test("a silent command stage returns to its queue after 9 crashes, and fails at the tenth recovery")
    func fails() throws {
        var facts = try submitted()
        try crash(&facts, times: 9)
        #expect(facts.life.phase == .suspended(.crash) && facts.silentCrashes == 9)
        try claim(&facts)
        let plan = try LedgerPlan.recover(facts, at: now)
        guard case .failed(let error) = plan.ending else { return #expect(Bool(false), "\(plan.after.life)") }
        #expect(error.code == "crash_loop" && error.stage == facts.stage.name)
        #expect(plan.after.holder == nil && plan.finishedAt != nil && plan.rows == .update)
        #expect(plan.entersReady == nil && plan.wake == .nobody, "there is no further claim")
    }

    @Test("anything that the stage writes begins the count again")
    func counts() throws {
        let report = StageReport(progress: Progress(0.5), message: "half")
        let commands: [JobCommand] = [
            .report(report), .report(StageReport(checkpointOnly: .integer(1))),
            .register(Samples.artifact("frame.png", 1)), .interrupt(.shutdown),
            .retry(error: JobError(code: "no", message: "no", stage: nil), delay: .zero),
        ]
        for command in commands {
            var facts = try submitted()
            try crash(&facts, times: 9)
            try claim(&facts)
            #expect(facts.silentCrashes == 9, "a claim keeps the count")
            let plan = try work(command, facts)
            #expect(plan.after.silentCrashes == 0)
            #expect(plan.forgetsCrashes == (plan.rows != .update), "the row is written once")
            facts = plan.after
            if facts.life.phase != .executing { try claim(&facts) }
            #expect(try LedgerPlan.recover(facts, at: now).ending == nil, "\(command)")
        }
    }

    @Test("a report of a stage that was not recovered writes no row")
    func reports() throws {
        var facts = try submitted()
        try claim(&facts)
        let plan = try work(.report(StageReport(progress: Progress(0.5), message: "half")), facts)
        #expect(!plan.forgetsCrashes && plan.rows == .none)
    }

    @Test("a simulated stage is never suspected")
    func simulated() throws {
        var facts = try submitted(Samples.pipeline)
        try crash(&facts, times: 25)
        #expect(facts.life.phase == .suspended(.crash) && facts.silentCrashes == 0)
    }

    @Test("a stage that is to be canceled is canceled")
    func canceled() throws {
        var facts = try submitted()
        try crash(&facts, times: 9)
        try claim(&facts)
        facts = try LedgerPlan.cancel(facts, at: now).after
        try recover(&facts)
        #expect(facts.life.phase == .canceled)
    }

    @Test("the next stage begins its own count")
    func nextStage() throws {
        var facts = try submitted()
        try crash(&facts, times: 9)
        try claim(&facts)
        facts = try work(.succeed(output: nil), facts).after
        #expect(facts.life.stageIndex == 1 && facts.silentCrashes == 0)
    }
}
