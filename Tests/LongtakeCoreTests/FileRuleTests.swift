import LongtakeCore
import LongtakeTesting
import Testing

@Suite("the rules of files and artifacts")
struct FileRuleTests {
    private let clock = ManualClock()
    private let file = InputFile(content: Samples.content(1), type: "image/png")
    private let other = InputFile(content: Samples.content(2), type: "image/png")

    @Test("a lifetime ends at the same moment on both clocks, and a renewal never shortens it")
    func lifetime() {
        let moment = ClockReading(clock.now(), steady: clock.now().advanced(by: .seconds(-500)))
        let day = FileLifetime(until: moment.time.advanced(by: .seconds(86_400)), at: moment)
        #expect(day.keptUntil == moment.steady.advanced(by: .seconds(86_400)))
        let hour = FileLifetime(until: moment.time.advanced(by: .seconds(3_600)), at: moment)
        #expect(day.renewed(by: hour) == day && hour.renewed(by: day) == day)
        let past = FileLifetime(until: moment.time.advanced(by: .seconds(-1)), at: moment)
        #expect(past.keptUntil == moment.steady)
    }

    @Test("a file that a client reads is kept for 24 hours, with one renewal an hour")
    func reads() throws {
        let start = clock.reading()
        let lifetime = FileLifetime(until: start.time.advanced(by: Limits.fileLifetime), at: start)
        #expect(lifetime.renewed(at: start) == nil)
        clock.advance(by: .milliseconds(1))
        let renewed = try #require(lifetime.renewed(at: clock.reading()))
        #expect(renewed.expiresAt == clock.now().advanced(by: Limits.fileLifetime + Limits.fileRenewalSlack))
        clock.advance(by: Limits.fileRenewalSlack)
        #expect(renewed.renewed(at: clock.reading()) == nil)
        clock.advance(by: .milliseconds(1))
        #expect(renewed.renewed(at: clock.reading()) != nil)
    }

    @Test(
        "the files of a tenant have at most the bytes of the limit",
        arguments: [(100, 0), (40, 60), (100, .max)] as [(Int64, Int64)])
    func room(_ bytes: Int64, _ used: Int64) throws {
        if used == .max {
            #expect(throws: JournalError.tooManyBytes) {
                try UploadedFile.requireRoom(for: bytes, beside: used, limit: .max)
            }
        } else {
            try UploadedFile.requireRoom(for: bytes, beside: used, limit: 100)
            #expect(throws: JournalError.tooManyBytes) {
                try UploadedFile.requireRoom(for: bytes + 1, beside: used, limit: 100)
            }
        }
    }

    @Test("a reference is resolved to the content of the retried job, or else to what it names now")
    func resolve() throws {
        let reference = FileReference(field: "image", source: .file(FileID(file.content.hash)), maximumBytes: 100)
        func resolve(_ content: ReferencedContent?) throws -> [InputFile] {
            var facts = SubmissionFacts(queuedJobs: 0)
            facts.content["image"] = content
            return try facts.resolve([reference]).map(\.file)
        }
        #expect(try resolve(ReferencedContent(named: file)) == [file])
        #expect(try resolve(ReferencedContent(retried: file, named: other)) == [file])
        #expect(try resolve(ReferencedContent(retried: file)) == [file])
        let problem = InputProblem(pointer: "/input/image", detail: "refers to a file that does not exist")
        for content in [ReferencedContent(), nil] {
            #expect(throws: JournalError.invalidReferences([problem])) { try resolve(content) }
        }
        let large = InputFile(content: Samples.content(3, bytes: 101), type: "image/png")
        let size = InputProblem(pointer: "/input/image", detail: "must have at most 100 bytes, not 101")
        #expect(throws: JournalError.invalidReferences([size])) { try resolve(ReferencedContent(retried: large)) }
    }

    @Test("a submission with an invalid reference is rejected, unless its key is known")
    func submission() throws {
        var submission = Samples.submission(1, key: "k")
        submission.files = [FileReference(field: "image", source: .file(FileID(file.content.hash)))]
        let prepared = try PreparedSubmission(submission)
        var facts = SubmissionFacts(queuedJobs: 5)
        func judge() throws -> SubmissionJudgement {
            try SubmissionJudgement(prepared, on: facts, queuedJobsLimit: 5, at: clock.reading())
        }
        // The input is checked before the limit: waiting would not help.
        #expect(throws: JournalError.self) { try judge() }
        facts.content["image"] = ReferencedContent(named: file)
        #expect(throws: JournalError.tooManyQueued) { try judge() }
        facts.queuedJobs = 0
        guard case .create(let plan) = try judge() else { throw JournalError.closed }
        #expect(plan.inputFiles == [ResolvedReference(submission.files[0], file: file)])
        facts.knownFingerprint = prepared.fingerprint
        facts.content = [:]
        #expect(try judge() == .replay)
    }

    /// The facts of a job whose first stage runs.
    private func running() throws -> (facts: JobFacts, claim: ClaimID) {
        let prepared = try PreparedSubmission(Samples.submission(1))
        let facts = SubmissionFacts(queuedJobs: 0)
        guard
            case .create(let plan) = try SubmissionJudgement(
                prepared, on: facts, queuedJobsLimit: 5, at: clock.reading())
        else { throw JournalError.closed }
        let claimed = try LedgerPlan.claim(by: HolderID(rawValue: 1), on: plan.after, at: clock.reading()).after
        return (claimed, ClaimID(job: claimed.id, stageIndex: 0, fence: claimed.fence))
    }

    @Test("a name belongs to the stage that used it first")
    func names() throws {
        let (facts, claim) = try running()
        let plan = try LedgerPlan.work(
            .register(Samples.artifact("a", 1)), by: claim, of: HolderID(rawValue: 1), on: facts, at: clock.reading())
        #expect(plan.artifactStage == 0 && plan.firstArtifactEvent == plan.after.head)
        try plan.requireOwnNames { _ in nil }
        try plan.requireOwnNames { _ in 0 }
        #expect(throws: JournalError.refused(.artifactNameTaken)) { try plan.requireOwnNames { _ in 1 } }
    }

    @Test("the results of a stage belong to it, and their events come before its success")
    func results() throws {
        let (facts, claim) = try running()
        let results = [Samples.artifact("a", 1, .result), Samples.artifact("b", 2, .result)]
        let command = JobCommand.succeed(output: nil, artifacts: results)
        let plan = try LedgerPlan.work(
            command, by: claim, of: HolderID(rawValue: 1), on: facts, at: clock.reading())
        #expect(plan.artifacts == results && plan.artifactStage == 0 && plan.after.life.stageIndex == 1)
        #expect(plan.firstArtifactEvent == facts.head.next)
        #expect(plan.after.head.rawValue == facts.head.rawValue + 3)
        let canceled = try LedgerPlan.cancel(facts, at: clock.reading()).after
        let late = try LedgerPlan.work(
            command, by: claim, of: HolderID(rawValue: 1), on: canceled, at: clock.reading())
        #expect(late.artifacts.isEmpty && late.artifactEvents.isEmpty && late.after.life.state == .canceled)
    }

    @Test("a retry is due after its delay, or if its due time is further away than that")
    func due() throws {
        let (facts, claim) = try running()
        let error = JobError(code: "stage_failed", message: "no", stage: nil)
        let start = clock.reading()
        var after = try LedgerPlan.work(
            .retry(error: error, delay: .seconds(3_600)), by: claim, of: HolderID(rawValue: 1), on: facts, at: start
        ).after
        func isDue(_ seconds: Double) -> Bool {
            let time = start.steady.advanced(by: .seconds(seconds))
            return after.isDue(at: ClockReading(start.time, steady: time))
        }
        #expect(!isDue(0) && !isDue(3_599.999) && isDue(3_600) && isDue(-0.001))
        after.delay = nil
        #expect(isDue(0), "an earlier version stored no delay, and none was that long")
        #expect(!isDue(3_528) && isDue(3_527.999))
        after.dueAt = nil
        #expect(!isDue(0))
    }
}
