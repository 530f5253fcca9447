import Foundation
import Testing

@testable import LongtakeCore

/// Measures the estimator. `swift test --filter QueueingTrialTests` prints the tables of
/// docs/eta.md.
@Suite("the accuracy of the time left")
struct QueueingTrialTests {
    /// The estimator was designed while looking at the seeds 1 to 3.
    private static let tuned: [UInt64] = [1, 2, 3]
    /// Nobody looked at the first three before the first version of the estimator was finished, and
    /// at the others before the present one was.
    private static let unseen: [UInt64] = [101, 102, 103, 201, 202, 203]
    private static let moments: [TrialMoment] = [.submission, .firstStart, .half]
    private static let jobs = 1_000

    @Test("the p90 covers 85 to 95 % of the jobs, at each of three moments", arguments: tuned + unseen)
    func coverage(seed: UInt64) {
        var trial = QueueingTrial(.mixed, seed: seed)
        trial.run(jobs: Self.jobs)
        let outcome = trial.outcome
        for moment in TrialMoment.allCases { print(outcome.row(seed, moment)) }
        for moment in Self.moments {
            #expect(outcome.count(moment) >= 900, "\(moment)")
            #expect((85...95).contains(outcome.coverage(moment)), "\(moment): \(outcome.coverage(moment))")
            // Wider than needed would be no estimate.
            #expect(outcome.medianError(moment) < 35, "\(moment)")
            #expect(outcome.width(moment) < 2, "\(moment)")
        }
    }

    /// A measurement, which runs only on request.
    @Test(
        "the ranges over thirty more seeds",
        .enabled(if: ProcessInfo.processInfo.environment["LONGTAKE_MEASURE"] != nil))
    func moreSeeds() {
        let outcomes = (11...40 as ClosedRange<UInt64>).map { seed in
            var trial = QueueingTrial(.mixed, seed: seed)
            trial.run(jobs: Self.jobs)
            return trial.outcome
        }
        for moment in TrialMoment.allCases {
            let coverages = outcomes.map { $0.coverage(moment) }.sorted()
            let means = [outcomes.map { $0.medianError(moment) }, outcomes.map { $0.width(moment) }]
                .map { $0.reduce(0, +) / Double(outcomes.count) }
            print("| 11 to 40 | \(moment.rawValue) | \(coverages[0]) to \(coverages[29]) | \(means) |")
        }
    }

    @Test("the same seed gives the same numbers")
    func reproducible() {
        let rows = (0..<2).map { _ in
            var trial = QueueingTrial(.mixed, seed: 7)
            trial.run(jobs: 100)
            return TrialMoment.allCases.map { trial.outcome.row(7, $0) }
        }
        #expect(rows[0] == rows[1])
    }

    @Test("after all work takes 30 % longer, too few jobs end by the p90, until about 50 have ended")
    func slowdown() {
        var workload = Workload.mixed
        workload.slowdown = (job: 500, factor: 1.3)
        var trial = QueueingTrial(workload, seed: 1)
        trial.run(jobs: Self.jobs)
        for range in [300..<500, 500..<550, 550..<600, 600..<700, 700..<1000] {
            print("| \(range) | \(Int(trial.outcome.coverage(.submission, jobs: range).rounded())) |")
        }
        #expect(trial.outcome.coverage(.submission, jobs: 500..<550) < 85)
        #expect(trial.outcome.coverage(.submission, jobs: 700..<1000) > 80)
    }
}

extension TrialOutcome {
    /// A row of the table in docs/eta.md.
    fileprivate func row(_ seed: UInt64, _ moment: TrialMoment) -> String {
        func text(_ number: Double, digits: Double = 10) -> String { String((number * digits).rounded() / digits) }
        let numbers = [
            String(seed), moment.rawValue, String(count(moment)), text(coverage(moment)), text(medianError(moment)),
            text(bias(moment), digits: 100), text(width(moment), digits: 100),
        ]
        return "| " + numbers.joined(separator: " | ") + " |"
    }
}
