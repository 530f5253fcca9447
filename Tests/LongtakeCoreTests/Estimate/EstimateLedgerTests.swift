import LongtakeTesting
import Testing

@testable import LongtakeCore

@Suite("the ledger of estimates")
struct EstimateLedgerTests {
    private static let pipeline = TestPipeline.two
    private static let queue = QueueName(unchecked: "cpu")
    private static let holder = HolderID(rawValue: 7)

    /// A ledger, and the commands of a store to it.
    private struct Play {
        var ledger = EstimateLedger(EstimateHistory(), workers: [EstimateLedgerTests.queue: 1])
        var seconds = 0.0

        private var now: ClockReading { ClockReading(Timestamp(millisecondsSince1970: Int64(seconds * 1000))) }

        mutating func submit(_ number: Int, isSpedUp: Bool = false) throws -> JobFacts {
            var submission = Samples.submission(number)
            submission.pipeline = EstimateLedgerTests.pipeline
            let judgement = try SubmissionJudgement(
                try PreparedSubmission(submission), on: SubmissionFacts(queuedJobs: 0), queuedJobsLimit: 1, at: now)
            guard case .create(let plan) = judgement else { throw JournalError.closed }
            ledger.follow(plan, from: nil, at: now, hint: .init(isSpedUp: isSpedUp))
            return plan.after
        }

        mutating func claim(_ job: inout JobFacts, isSpedUp: Bool = false) throws {
            let plan = try LedgerPlan.claim(by: EstimateLedgerTests.holder, on: job, at: now)
            ledger.follow(plan, from: job, at: now, hint: .init(isSpedUp: isSpedUp))
            job = plan.after
        }

        mutating func work(_ job: inout JobFacts, _ command: JobCommand) throws {
            let claim = ClaimID(job: job.id, stageIndex: job.life.stageIndex, fence: job.fence)
            let plan = try LedgerPlan.work(command, by: claim, of: EstimateLedgerTests.holder, on: job, at: now)
            ledger.follow(plan, from: job, at: now)
            job = plan.after
        }

        mutating func due(_ job: inout JobFacts) throws {
            let plan = LedgerPlan.stageIsDue(job, at: now)
            ledger.follow(plan, from: job, at: now)
            job = plan.after
        }

        mutating func recover(_ job: inout JobFacts) throws {
            let plan = try LedgerPlan.recover(job, at: now)
            ledger.follow(plan, from: job, at: now)
            job = plan.after
        }

        /// A job whose stages take 20 s and 60 s.
        mutating func run(_ number: Int, isSpedUp: Bool = false) throws {
            var job = try submit(number, isSpedUp: isSpedUp)
            for stage in EstimateLedgerTests.pipeline.stages {
                try claim(&job, isSpedUp: isSpedUp)
                seconds += stage.expectedSeconds
                try work(&job, .report(StageReport(progress: Progress(0.5), message: "half")))
                seconds += stage.expectedSeconds
                try work(&job, .succeed(output: nil))
            }
        }

        func runs(_ stage: Int) -> Int {
            let key = EstimateHistory.StageKey(
                EstimateLedgerTests.pipeline.name, EstimateLedgerTests.pipeline.stages[stage].name)
            return ledger.history.stages[key]?.runs ?? 0
        }

        func accuracy(_ measure: EstimateHistory.AccuracyKey.Measure) -> [Float] {
            ledger.history.accuracies[.init(EstimateLedgerTests.pipeline.name, measure)]?.values ?? []
        }
    }

    @Test("after ten jobs the next one has an estimate, and its end is compared with what was predicted")
    func learns() throws {
        var play = Play()
        for number in 1...10 { try play.run(number) }
        let outlook = JobOutlook(
            pipeline: Self.pipeline, stageIndex: 0, standing: .ready(claimsBefore: 0, isFirst: true), progress: 0)
        let estimate = Estimator(play.ledger.history, queues: play.ledger.loads).estimate(outlook)
        #expect(abs(try #require(estimate).eta.p50 - 80) < 1e-3)
        #expect(play.accuracy(.end(.queued)).isEmpty, "nothing was predicted for the first ten")
        try play.run(11)
        for phase in EstimatePhase.allCases {
            let ratios = play.accuracy(.end(phase))
            #expect(ratios.count == 1 && abs((ratios.first ?? 0) - 1) < 1e-3, "\(phase): \(ratios)")
        }
        #expect(play.accuracy(.firstClaim).isEmpty, "it did not wait")
    }

    @Test("the end of a stage changes two rows, and the end of a job one more for each prediction")
    func rows() throws {
        var play = Play()
        for number in 1...10 { try play.run(number) }
        _ = play.ledger.takeUnwritten()
        var job = try play.submit(11)
        try play.claim(&job)
        play.seconds += 20
        #expect(play.ledger.takeUnwritten().isEmpty, "only ends write")
        try play.work(&job, .succeed(output: nil))
        #expect(play.ledger.takeUnwritten().count == 2)
        try play.claim(&job)
        play.seconds += 30
        try play.work(&job, .report(StageReport(progress: Progress(0.5), message: "half")))
        #expect(play.ledger.takeUnwritten().isEmpty)
        play.seconds += 30
        try play.work(&job, .succeed(output: nil))
        #expect(play.ledger.takeUnwritten().count == 5)
        #expect(play.ledger.takeUnwritten().isEmpty)
        var read = EstimateHistory()
        for key in play.ledger.history.stages.keys { play.ledger.history.row(.stage(key)).map { read.load($0) } }
        for key in play.ledger.history.queues.keys { play.ledger.history.row(.queue(key)).map { read.load($0) } }
        for key in play.ledger.history.accuracies.keys {
            play.ledger.history.row(.accuracy(key)).map { read.load($0) }
        }
        #expect(read == play.ledger.history)
    }

    @Test("runs of a sped-up job are left out")
    func spedUp() throws {
        var play = Play()
        for number in 1...12 { try play.run(number, isSpedUp: true) }
        #expect(play.ledger.history == EstimateHistory())
    }

    @Test("a resumed run is left out, the job teaches nothing about the accuracy, and its next stage counts")
    func resumed() throws {
        var play = Play()
        for number in 1...10 { try play.run(number) }
        var job = try play.submit(11)
        try play.claim(&job)
        try play.recover(&job)
        try play.claim(&job)
        play.seconds += 1
        try play.work(&job, .succeed(output: nil))
        #expect(play.runs(0) == 10)
        try play.claim(&job)
        play.seconds += 1
        try play.work(&job, .succeed(output: nil))
        #expect(play.runs(1) == 11 && play.accuracy(.end(.queued)).isEmpty)
    }

    @Test("a run that is resumed after a restart is left out too")
    func resumedAfterRestart() throws {
        var play = Play()
        var job = try play.submit(1)
        try play.claim(&job)
        play.ledger = EstimateLedger(play.ledger.history, workers: [Self.queue: 1])
        play.ledger.load(Self.queue, waiting: 0, running: 1, isPaused: false)
        try play.recover(&job)
        #expect(play.ledger.loads[Self.queue] == QueueLoad(workers: 1, waiting: 1))
        try play.claim(&job)
        play.seconds += 1
        try play.work(&job, .succeed(output: nil))
        #expect(play.runs(0) == 0)
    }

    @Test("the attempt after a failed one counts, but the job teaches nothing about the accuracy")
    func retried() throws {
        var play = Play()
        for number in 1...10 { try play.run(number) }
        var job = try play.submit(11)
        let error = JobError(code: "stage_failed", message: "It failed.", stage: nil)
        try play.claim(&job)
        play.seconds += 1
        try play.work(&job, .retry(error: error, delay: .zero))
        #expect(play.runs(0) == 10)
        try play.due(&job)
        for _ in 0..<2 {
            try play.claim(&job)
            play.seconds += 1
            try play.work(&job, .succeed(output: nil))
        }
        #expect(play.runs(0) == 11 && play.accuracy(.end(.queued)).isEmpty)
    }

    @Test("a failed run is left out")
    func failed() throws {
        var play = Play()
        var job = try play.submit(1)
        try play.claim(&job)
        play.seconds += 1
        try play.work(&job, .fail(JobError(code: "stage_failed", message: "It failed.", stage: nil)))
        #expect(play.ledger.history == EstimateHistory())
        #expect(play.ledger.loads[Self.queue]?.running == 0)
    }

    @Test("after a restart the stages of a job count, but not its predictions")
    func restarted() throws {
        var play = Play()
        for number in 1...10 { try play.run(number) }
        var job = try play.submit(11)
        play.ledger = EstimateLedger(play.ledger.history, workers: [Self.queue: 1])
        play.ledger.load(Self.queue, waiting: 1, running: 0, isPaused: false)
        #expect(play.ledger.loads[Self.queue]?.waiting == 1)
        for _ in 0..<2 {
            try play.claim(&job)
            play.seconds += 1
            try play.work(&job, .succeed(output: nil))
        }
        #expect(play.runs(1) == 11 && play.accuracy(.end(.queued)).isEmpty)
        #expect(play.ledger.loads[Self.queue] == QueueLoad(workers: 1))
    }

    @Test("counts what waits and runs, and the turns that a stage waited for")
    func queues() throws {
        var play = Play()
        var jobs = try (1...3).map { try play.submit($0) }
        #expect(play.ledger.loads[Self.queue] == QueueLoad(workers: 1, waiting: 3))
        try play.claim(&jobs[0])
        #expect(play.ledger.loads[Self.queue] == QueueLoad(workers: 1, running: 1, waiting: 2))
        play.seconds += 20
        try play.work(&jobs[0], .succeed(output: nil))
        #expect(play.ledger.loads[Self.queue] == QueueLoad(workers: 1, waiting: 3), "its next stage waits")
        try play.claim(&jobs[0])
        play.seconds += 60
        try play.work(&jobs[0], .succeed(output: nil))
        try play.claim(&jobs[1])
        play.seconds += 20
        try play.work(&jobs[1], .succeed(output: nil))
        // The second job was next, and one claim came first: of the first job's second stage.
        let queue = try #require(play.ledger.history.queues[Self.queue])
        #expect(queue.runs == 3 && queue.actualTurns > queue.expectedTurns, "\(queue)")
    }

    @Test("a pause while a stage waits makes its wait unknown and spoils the predictions")
    func paused() throws {
        var play = Play()
        for number in 1...10 { try play.run(number) }
        var job = try play.submit(11)
        play.ledger.pause(Self.queue, true)
        #expect(play.ledger.loads[Self.queue]?.isPaused == true)
        play.ledger.pause(Self.queue, false)
        for _ in 0..<2 {
            try play.claim(&job)
            play.seconds += 40
            try play.work(&job, .succeed(output: nil))
        }
        #expect(play.runs(0) == 11 && play.accuracy(.end(.queued)).isEmpty)
    }

    @Test("a rollback undoes what the transaction has learned")
    func rollback() throws {
        var play = Play()
        var job = try play.submit(1)
        try play.claim(&job)
        play.ledger.keep()
        let (history, loads) = (play.ledger.history, play.ledger.loads)
        play.seconds += 20
        var ended = job
        try play.work(&ended, .succeed(output: nil))
        #expect(play.ledger.history != history)
        play.ledger.undo()
        #expect(play.ledger.history == history && play.ledger.loads == loads)
        #expect(play.ledger.takeUnwritten().isEmpty)
        try play.work(&job, .succeed(output: nil))
        play.ledger.keep()
        play.ledger.undo()
        #expect(play.runs(0) == 1, "what was committed stays")
    }

    @Test("takes notes of a limited number of jobs")
    func limit() throws {
        var play = Play()
        play.ledger = EstimateLedger(EstimateHistory(), workers: [:], notesLimit: 1)
        var (first, second) = (try play.submit(1), try play.submit(2))
        try play.claim(&second)
        play.seconds += 1
        try play.work(&second, .succeed(output: nil))
        #expect(play.runs(0) == 0)
        try play.claim(&first)
        play.seconds += 1
        try play.work(&first, .succeed(output: nil))
        #expect(play.runs(0) == 1)
    }
}
