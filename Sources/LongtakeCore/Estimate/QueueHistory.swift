/// How long the claims of one queue take, over all pipelines and tenants. One row of a store.
///
/// A stage that becomes ready waits for a number of *turns*: 0 if a worker is free, otherwise the
/// claims before it and one more, because a worker must become free for its own claim. A turn takes
/// the mean service time of the queue ÷ its workers.
public struct QueueHistory: Hashable, Sendable, Codable {
    /// The number of runs that were counted since the history began.
    public private(set) var runs: Int
    /// The mean seconds from a claim to its end.
    public private(set) var serviceSeconds: Double
    /// The mean number of turns that the first stage of a job was expected to wait for when it was
    /// submitted.
    public private(set) var expectedTurns: Double
    /// The mean number of turns that it did wait for.
    public private(set) var actualTurns: Double

    public init(runs: Int = 0, serviceSeconds: Double = 0, expectedTurns: Double = 0, actualTurns: Double = 0) {
        self.runs = max(0, runs)
        self.serviceSeconds = serviceSeconds.isFinite ? max(0, serviceSeconds) : 0
        self.expectedTurns = expectedTurns.isFinite ? max(0, expectedTurns) : 0
        self.actualTurns = actualTurns.isFinite ? max(0, actualTurns) : 0
    }

    mutating func add(_ run: StageRun) {
        runs += 1
        serviceSeconds = ExponentialMean.after(serviceSeconds, runs: runs, adding: run.seconds)
        guard let wait = run.wait else { return }
        expectedTurns = ExponentialMean.after(expectedTurns, runs: runs, adding: Double(wait.expectedTurns))
        actualTurns = ExponentialMean.after(actualTurns, runs: runs, adding: Double(wait.turns))
    }

    /// The turns that come before a stage, relative to those that wait when it becomes ready. It is
    /// above 1 if later stages of older jobs arrive meanwhile and are claimed first.
    var overtaking: Double {
        guard runs >= EstimateLimits.runs, expectedTurns > 0, actualTurns > 0 else { return 1 }
        return min(max(actualTurns / expectedTurns, 0.5), EstimateLimits.overtaking)
    }
}

/// The mean of a sequence in which newer numbers have more weight.
enum ExponentialMean {
    /// The mean after one more number.
    /// - Parameter runs: the count of numbers with the new one. The first ones have equal weights.
    static func after(_ mean: Double, runs: Int, adding number: Double) -> Double {
        mean + (number - mean) * max(1 / Double(max(runs, 1)), 1 - StageHistory.weight)
    }
}
