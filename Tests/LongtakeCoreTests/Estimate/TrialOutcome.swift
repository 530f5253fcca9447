@testable import LongtakeCore

/// When an estimate was asked for.
enum TrialMoment: String, CaseIterable {
    case submission = "at submission"
    case firstStart = "at first start"
    case half = "at half way"
    /// The queue wait that was predicted at submission.
    case wait = "queue wait, at submission"
}

/// Predicted against actual.
struct TrialOutcome {
    private(set) var answers: [TrialMoment: [Answer]] = [:]

    struct Answer {
        /// The number of the job, in the order of submission.
        let job: Int
        let predicted: JobEstimate.Percentiles
        let actual: Double
    }

    mutating func add(_ moment: TrialMoment, job: Int, _ predicted: JobEstimate.Percentiles, actual: Double) {
        answers[moment, default: []].append(Answer(job: job, predicted: predicted, actual: actual))
    }

    func count(_ moment: TrialMoment) -> Int { answers[moment]?.count ?? 0 }

    /// The part of the jobs that ended by the predicted p90, in percent.
    /// - Parameter jobs: counts only these.
    func coverage(_ moment: TrialMoment, jobs: Range<Int> = 0..<Int.max) -> Double {
        let all = (answers[moment] ?? []).filter { jobs.contains($0.job) }
        // The clock of the estimates counts milliseconds.
        let covered = all.filter { $0.actual <= $0.predicted.p90 + 0.001 }
        return all.isEmpty ? .nan : Double(covered.count) * 100 / Double(all.count)
    }

    /// The median of |actual − p50| ÷ actual, in percent, over the jobs with an actual time above 0.
    func medianError(_ moment: TrialMoment) -> Double {
        let errors = (answers[moment] ?? []).filter { $0.actual > 0 }
            .map { abs($0.actual - $0.predicted.p50) / $0.actual }.sorted()
        return errors.isEmpty ? .nan : errors[errors.count / 2] * 100
    }

    /// The sum of the actual times ÷ the sum of the p50: 1 if they are right on average.
    func bias(_ moment: TrialMoment) -> Double {
        let all = answers[moment] ?? []
        return all.reduce(0) { $0 + $1.actual } / all.reduce(0) { $0 + $1.predicted.p50 }
    }

    /// The mean of p90 ÷ p50, weighted by p50: how wide the estimates are.
    func width(_ moment: TrialMoment) -> Double {
        let all = answers[moment] ?? []
        return all.reduce(0) { $0 + $1.predicted.p90 } / all.reduce(0) { $0 + $1.predicted.p50 }
    }
}
