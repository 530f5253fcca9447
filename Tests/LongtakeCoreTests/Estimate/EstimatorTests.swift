import Testing

@testable import LongtakeCore

@Suite("the time left of a job")
struct EstimatorTests {
    private static let gpu = QueueName(unchecked: "gpu")
    private static let cpu = QueueName(unchecked: "cpu")
    private static let name = PipelineName(unchecked: "p")

    /// Two stages: 10 s on gpu and 20 s on cpu.
    private static let pipeline = Pipeline(
        name: name,
        stages: [(gpu, 10.0), (cpu, 20)].map { queue, seconds in
            Stage(
                name: StageName(unchecked: queue.description), queue: queue, expectedSeconds: seconds,
                timeLimitSeconds: nil, work: .remote)
        })

    private static let idle = [gpu: QueueLoad(workers: 2), cpu: QueueLoad(workers: 1)]

    /// Each stage has finished so many runs, which took twice the expected time and never waited.
    private func history(runs: Int = 10) throws -> EstimateHistory {
        var history = EstimateHistory()
        for stage in Self.pipeline.stages {
            for _ in 0..<runs {
                history.add(
                    try #require(
                        StageRun(
                            of: stage, in: Self.name, seconds: stage.expectedSeconds * 2,
                            wait: .init(expectedTurns: 0, turns: 0), .init())))
            }
        }
        return history
    }

    private func outlook(
        _ standing: JobOutlook.Standing, stage: Int = 0, progress: Double = 0, isSpedUp: Bool = false,
        waitsForPerson: Bool = false
    ) -> JobOutlook {
        JobOutlook(
            pipeline: Self.pipeline, stageIndex: stage, standing: standing, progress: progress, isSpedUp: isSpedUp,
            waitsForPerson: waitsForPerson)
    }

    private let first = JobOutlook.Standing.ready(claimsBefore: 0, isFirst: true)

    @Test("there is none until each stage that is still needed has ten finished runs")
    func learned() throws {
        #expect(Estimator(try history(runs: 9), queues: Self.idle).estimate(outlook(first)) == nil)
        let estimate = try #require(Estimator(try history(), queues: Self.idle).estimate(outlook(first)))
        #expect(abs(estimate.eta.p50 - 60) < 1e-9 && abs(estimate.eta.p90 - 60) < 1e-9, "\(estimate)")
        #expect(estimate.queueWait == .zero)
    }

    @Test("a stage that is over needs no history any more")
    func onlyWhatIsNeeded() throws {
        var history = EstimateHistory()
        let last = Self.pipeline.stages[1]
        for _ in 0..<10 {
            history.add(try #require(StageRun(of: last, in: Self.name, seconds: 20, wait: nil, .init())))
        }
        let estimator = Estimator(history, queues: Self.idle)
        #expect(estimator.estimate(outlook(.ready(claimsBefore: 0, isFirst: false), stage: 1, progress: 0.3)) != nil)
        #expect(estimator.estimate(outlook(first)) == nil)
    }

    /// Seen to fail: a later stage on the same queue waited for the job's own stage.
    @Test("a later stage does not wait for the current stage of its own job")
    func ownStage() throws {
        let stages = [10.0, 20].enumerated().map { index, seconds in
            Stage(
                name: StageName(unchecked: "s\(index)"), queue: Self.gpu, expectedSeconds: seconds,
                timeLimitSeconds: nil, work: .remote)
        }
        let pipeline = Pipeline(name: Self.name, stages: stages)
        var history = EstimateHistory()
        for stage in stages {
            for _ in 0..<10 {
                let run = StageRun(of: stage, in: Self.name, seconds: stage.expectedSeconds, wait: nil, .init())
                history.add(try #require(run))
            }
        }
        func p50(_ standing: JobOutlook.Standing, _ load: QueueLoad) throws -> Double {
            let outlook = JobOutlook(pipeline: pipeline, stageIndex: 0, standing: standing, progress: 0)
            return try #require(Estimator(history, queues: [Self.gpu: load]).estimate(outlook)).eta.p50
        }
        let executing = JobOutlook.Standing.executing(elapsed: 0)
        for workers in [1, nil] {
            #expect(abs(try p50(first, QueueLoad(workers: workers, waiting: 1)) - 30) < 1e-9)
            #expect(abs(try p50(executing, QueueLoad(workers: workers, running: 1)) - 30) < 1e-9)
        }
        // Three workers elsewhere have stages. One of them becomes free when this stage ends.
        #expect(abs(try p50(executing, QueueLoad(workers: nil, running: 3)) - 30) < 1e-9)
        // Two stages of other jobs go before the later one.
        let turn = try #require(history.queues[Self.gpu]).serviceSeconds
        #expect(abs(try p50(executing, QueueLoad(workers: 1, running: 1, waiting: 2)) - 30 - 2 * turn) < 1e-9)
    }

    @Test("there is none while a queue that is still needed is paused")
    func paused() throws {
        func estimate(_ pausedQueue: QueueName, _ job: JobOutlook) throws -> JobEstimate? {
            var queues = Self.idle
            queues[pausedQueue]?.isPaused = true
            return Estimator(try history(), queues: queues).estimate(job)
        }
        #expect(try estimate(Self.gpu, outlook(first)) == nil)
        #expect(try estimate(Self.cpu, outlook(first)) == nil, "a later stage needs it")
        #expect(try estimate(Self.cpu, outlook(.executing(elapsed: 1))) == nil)
        #expect(try estimate(Self.gpu, outlook(.executing(elapsed: 1))) != nil, "claimed stages continue")
        #expect(try estimate(Self.gpu, outlook(.ready(claimsBefore: 0, isFirst: false), stage: 1)) != nil)
    }

    @Test("there is none for a job that waits for a person, has a speed of its own, or is over")
    func noEstimate() throws {
        let estimator = Estimator(try history(), queues: Self.idle)
        #expect(estimator.estimate(outlook(first, waitsForPerson: true)) == nil)
        #expect(estimator.estimate(outlook(first, isSpedUp: true)) == nil)
        #expect(estimator.estimate(outlook(.over)) == nil)
    }

    @Test("waiting is the turns before the stage × the mean service time ÷ the workers")
    func waiting() throws {
        func wait(running: Int, claimsBefore: Int) throws -> Double {
            var queues = Self.idle
            queues[Self.gpu] = QueueLoad(workers: 2, running: running, waiting: claimsBefore)
            let job = outlook(.ready(claimsBefore: claimsBefore, isFirst: true))
            let estimate = try #require(Estimator(try history(), queues: queues).estimate(job))
            #expect(abs(estimate.eta.p50 - 60 - estimate.queueWait.p50) < 1e-9)
            return estimate.queueWait.p50
        }
        #expect(try wait(running: 1, claimsBefore: 0) == 0, "a worker is free")
        #expect(try wait(running: 2, claimsBefore: 0) == 10, "the first of two workers that take 20 s each")
        #expect(try wait(running: 2, claimsBefore: 3) == 40)
        #expect(try wait(running: 1, claimsBefore: 1) == 10, "the free worker takes the other stage")
    }

    @Test("a later stage waits as if it became ready now")
    func waitingLater() throws {
        var queues = Self.idle
        queues[Self.cpu] = QueueLoad(workers: 1, running: 1, waiting: 2)
        let estimate = try #require(Estimator(try history(), queues: queues).estimate(outlook(first)))
        // Three turns of 40 s, and 60 s of work.
        #expect(abs(estimate.eta.p50 - 180) < 1e-9 && estimate.queueWait == .zero, "\(estimate)")
    }

    @Test("later stages of older jobs that went first in earlier runs are expected again")
    func overtaken() throws {
        var history = try history()
        let stage = Self.pipeline.stages[0]
        for _ in 0..<200 {
            history.add(
                try #require(
                    StageRun(
                        of: stage, in: Self.name, seconds: 20, wait: .init(expectedTurns: 2, turns: 3), .init())))
        }
        var queues = Self.idle
        queues[Self.gpu] = QueueLoad(workers: 2, running: 2)
        let estimate = try #require(Estimator(history, queues: queues).estimate(outlook(first)))
        #expect(abs(estimate.queueWait.p50 - 15) < 0.1, "\(estimate)")
    }

    @Test("a queue of workers elsewhere is as wide as what it runs")
    func remote() {
        #expect(QueueLoad(workers: nil, running: 4, waiting: 2).turns(claimsBefore: 2) == 3)
        #expect(QueueLoad(workers: nil).turns(claimsBefore: 0) == 0)
    }

    @Test("the rest of the running stage depends on the time that it already took")
    func executing() throws {
        let estimator = Estimator(try history(), queues: Self.idle)
        let early = try #require(estimator.estimate(outlook(.executing(elapsed: 5))))
        #expect(abs(early.eta.p50 - 55) < 1e-9 && early.queueWait == .zero)
        let late = try #require(estimator.estimate(outlook(.executing(elapsed: 500))))
        #expect(abs(late.eta.p50 - 40) < 1e-9, "all runs took 20 s, so it should be over")
    }

    @Test("a delay before the next attempt counts as waiting, and a resumed stage only does the rest")
    func interrupted() throws {
        let estimator = Estimator(try history(), queues: Self.idle)
        let delayed = try #require(estimator.estimate(outlook(.delayed(seconds: 7))))
        #expect(abs(delayed.eta.p50 - 67) < 1e-9 && delayed.queueWait.p50 == 7)
        let resumed = outlook(.ready(claimsBefore: 0, isFirst: false, progress: 0.75))
        #expect(abs(try #require(estimator.estimate(resumed)).eta.p50 - 45) < 1e-9)
    }

    @Test("p90 is p50 × the 90th percentile of actual ÷ predicted, once ten jobs have ended")
    func accuracy() throws {
        func p90(ends: Int) throws -> Double {
            var history = try history()
            for number in 1...ends {
                var predictions = JobPredictions()
                let submitted = Timestamp(millisecondsSince1970: 0)
                predictions.begin(
                    .queued, Estimator(history, queues: Self.idle).forecast(outlook(first)), at: submitted)
                // The ratios are 0.1, 0.2, …
                history.add(
                    predictions, of: Self.name, endedAt: Timestamp(millisecondsSince1970: Int64(number) * 6000))
            }
            return try #require(Estimator(history, queues: Self.idle).estimate(outlook(first))).eta.p90
        }
        #expect(abs(try p90(ends: 9) - 60) < 1e-3, "too few ends, and runs that all took the same time")
        #expect(abs(try p90(ends: 20) - 60 * 1.9) < 1e-3)
        #expect(abs(try p90(ends: 220) - 60 * 20.1) < 1e-2, "the last 200 are 2.1 to 22.0")
    }

    @Test("p90 is never below p50")
    func order() {
        #expect(JobEstimate.Percentiles(p50: 10, p90: 5).p90 == 10)
        #expect(JobEstimate.Percentiles(p50: -1, p90: 5).p50 == 0)
    }

    @Test("before ten jobs have ended, p90 comes from the spread of the stages")
    func spread() throws {
        var history = EstimateHistory()
        for stage in Self.pipeline.stages {
            for number in 0..<10 {
                let seconds = stage.expectedSeconds * (number.isMultiple(of: 2) ? 0.5 : 1.5)
                history.add(try #require(StageRun(of: stage, in: Self.name, seconds: seconds, wait: nil, .init())))
            }
        }
        let estimate = try #require(Estimator(history, queues: Self.idle).estimate(outlook(first)))
        // The standard deviations are 5 s and 10 s.
        #expect(abs(estimate.eta.p90 - estimate.eta.p50 - 1.28 * 125.squareRoot()) < 0.1, "\(estimate)")
    }
}
