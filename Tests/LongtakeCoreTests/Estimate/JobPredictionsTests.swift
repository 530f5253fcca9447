import Testing

@testable import LongtakeCore

@Suite("predictions and ends")
struct JobPredictionsTests {
    private let name = PipelineName(unchecked: "p")

    private func at(_ seconds: Double) -> Timestamp { Timestamp(millisecondsSince1970: Int64(seconds * 1000)) }

    private func forecast(_ seconds: Double, wait: Double = 0, runs: Int = 10) -> Forecast {
        var known = StageHistory()
        let stage = Stage(
            name: StageName(unchecked: "s"), queue: QueueName(unchecked: "q"), expectedSeconds: 1,
            timeLimitSeconds: nil, work: .remote)
        for _ in 0..<runs {
            if let run = StageRun(of: stage, in: name, seconds: 1, wait: nil, .init()) { known.add(run) }
        }
        var forecast = Forecast()
        forecast.wait(turns: 1, of: wait, isNow: true)
        forecast.work(known, expected: seconds)
        return forecast
    }

    private func ratios(_ predictions: JobPredictions, end: Double) -> [EstimateHistory.AccuracyKey: [Float]] {
        var history = EstimateHistory()
        history.add(predictions, of: name, endedAt: at(end))
        return history.accuracies.mapValues(\.values)
    }

    @Test("the end of a job adds actual ÷ predicted to each phase and to the wait")
    func ends() {
        var predictions = JobPredictions()
        predictions.begin(.queued, forecast(90, wait: 10), at: at(0))
        predictions.begin(.running, forecast(100), at: at(20))
        predictions.begin(.runningSecondHalf, forecast(50), at: at(100))
        #expect(
            ratios(predictions, end: 200) == [
                .init(name, .end(.queued)): [2], .init(name, .end(.running)): [1.8],
                .init(name, .end(.runningSecondHalf)): [2], .init(name, .firstClaim): [2],
            ])
    }

    @Test("only the first prediction of a phase counts")
    func once() {
        var predictions = JobPredictions()
        predictions.begin(.running, forecast(100), at: at(0))
        predictions.begin(.running, forecast(1), at: at(50))
        #expect(ratios(predictions, end: 100) == [.init(name, .end(.running)): [1]])
    }

    @Test("predictions without ten runs teach nothing, because the configured seconds made them")
    func unlearned() {
        var predictions = JobPredictions()
        predictions.begin(.queued, forecast(100, wait: 5, runs: 9), at: at(0))
        predictions.begin(.running, nil, at: at(1))
        #expect(ratios(predictions, end: 100).isEmpty)
    }

    @Test("a job that was retried, restarted or paused teaches nothing")
    func spoiled() {
        var predictions = JobPredictions()
        predictions.begin(.queued, forecast(100), at: at(0))
        predictions.spoil()
        #expect(ratios(predictions, end: 100).isEmpty)
    }

    @Test("a job that was claimed at once, as predicted, says nothing about waits")
    func noWait() {
        var predictions = JobPredictions()
        predictions.begin(.queued, forecast(100), at: at(0))
        predictions.begin(.running, forecast(100), at: at(0))
        #expect(ratios(predictions, end: 100).keys.contains(.init(name, .firstClaim)) == false)
    }
}
