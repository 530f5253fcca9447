import Glibc
import LongtakeTesting

@testable import LongtakeCore

/// The kinds of jobs of a trial, their queues, and how fast they arrive.
struct Workload {
    let workers: [QueueName: Int]
    let kinds: [Kind]
    /// The mean time between two submissions.
    let secondsBetweenJobs: Double
    /// From this job on, all work takes so many times as long; `nil` for never.
    var slowdown: (job: Int, factor: Double)?

    /// One kind of job.
    struct Kind {
        let name: String
        /// Relative to the other kinds.
        let share: Double
        /// The values of the input that `scales_with` names ÷ its default; all are equally likely.
        let scales: [Double]
        let stages: [TrialStage]

        func pipeline(_ scale: Double) -> Pipeline {
            Pipeline(
                name: PipelineName(unchecked: name),
                stages: stages.map { stage in
                    Stage(
                        name: StageName(unchecked: stage.name), queue: QueueName(unchecked: stage.queue),
                        expectedSeconds: stage.seconds * (stage.scales ? scale : 1), timeLimitSeconds: nil,
                        work: .remote)
                })
        }
    }

    /// One stage of a kind.
    struct TrialStage {
        let name: String
        let queue: String
        /// As configured.
        let seconds: Double
        /// The true mean ÷ the configured seconds, which the estimator has to learn.
        let trueRatio: Double
        /// The standard deviation of the logarithm of the duration.
        let deviation: Double
        var scales = false
    }

    /// - Parameter load: the part of the time that the workers of the busiest queue are busy.
    init(workers: [String: Int], kinds: [Kind], load: Double) {
        self.workers = Dictionary(uniqueKeysWithValues: workers.map { (QueueName(unchecked: $0.key), $0.value) })
        self.kinds = kinds
        let shares = kinds.reduce(0) { $0 + $1.share }
        let busiest = workers.map { queue, workers in
            let seconds = kinds.reduce(0.0) { sum, kind in
                let mean = kind.scales.reduce(0, +) / Double(kind.scales.count)
                return kind.stages.filter { $0.queue == queue }.reduce(sum) {
                    $0 + kind.share / shares * $1.seconds * $1.trueRatio * ($1.scales ? mean : 1)
                }
            }
            return seconds / Double(workers)
        }.max()
        secondsBetweenJobs = (busiest ?? 1) / load
    }

    /// The workload of docs/eta.md: 70 % load.
    static let mixed = Workload(
        workers: ["cpu": 3, "gpu": 3, "io": 2],
        kinds: [
            Kind(
                name: "text-to-video", share: 4, scales: [0.5, 1, 1, 2, 3],
                stages: [
                    TrialStage(name: "moderate", queue: "cpu", seconds: 3, trueRatio: 0.8, deviation: 0.3),
                    TrialStage(name: "storyboard", queue: "gpu", seconds: 12, trueRatio: 1.2, deviation: 0.3),
                    TrialStage(
                        name: "frames", queue: "gpu", seconds: 40, trueRatio: 0.7, deviation: 0.4, scales: true),
                    TrialStage(name: "encode", queue: "cpu", seconds: 20, trueRatio: 1.5, deviation: 0.3, scales: true),
                    TrialStage(name: "publish", queue: "io", seconds: 4, trueRatio: 1, deviation: 0.6),
                ]),
            Kind(
                name: "image-to-video", share: 4, scales: [1],
                stages: [
                    TrialStage(name: "fetch", queue: "io", seconds: 3, trueRatio: 1.6, deviation: 0.6),
                    TrialStage(name: "depth", queue: "gpu", seconds: 8, trueRatio: 1, deviation: 0.2),
                    TrialStage(name: "frames", queue: "gpu", seconds: 25, trueRatio: 1.3, deviation: 0.4),
                    TrialStage(name: "publish", queue: "io", seconds: 3, trueRatio: 1, deviation: 0.6),
                ]),
            Kind(
                name: "soundtrack", share: 3, scales: [1],
                stages: [
                    TrialStage(name: "analyse", queue: "cpu", seconds: 10, trueRatio: 1, deviation: 0.5),
                    TrialStage(name: "mix", queue: "cpu", seconds: 18, trueRatio: 1.1, deviation: 0.4),
                    TrialStage(name: "publish", queue: "io", seconds: 2, trueRatio: 1, deviation: 0.6),
                ]),
        ], load: 0.7)
}

/// The random numbers of a trial.
struct Chance {
    private var generator: Seeded

    init(seed: UInt64) {
        generator = Seeded(state: seed &* 0x9e37_79b9_7f4a_7c15 | 1)
        for _ in 0..<16 { _ = generator.next() }
    }

    private mutating func unit() -> Double { Double.random(in: .leastNonzeroMagnitude..<1, using: &generator) }

    mutating func exponential(mean: Double) -> Double { -log(unit()) * mean }

    /// A lognormal number with the mean 1.
    /// - Parameter deviation: the standard deviation of its logarithm.
    mutating func lognormal(deviation: Double) -> Double {
        let normal = (-2 * log(unit())).squareRoot() * cos(2 * Double.pi * unit())
        return exp(deviation * normal - deviation * deviation / 2)
    }

    mutating func element(_ values: [Double]) -> Double { values[Int.random(in: 0..<values.count, using: &generator)] }

    mutating func index(weights: [Double]) -> Int {
        var rest = unit() * weights.reduce(0, +)
        for (index, weight) in weights.enumerated() {
            rest -= weight
            if rest < 0 { return index }
        }
        return weights.count - 1
    }
}
