import LongtakeCore

enum TestPipeline {
    /// Two stages of 10 and 30 s: a quarter of the job's progress, and three.
    static let two = Pipeline(
        name: PipelineName(unchecked: "two"), stages: [stage("first", seconds: 10), stage("second", seconds: 30)])

    static func stage(_ name: String, seconds: Double) -> Stage {
        Stage(
            name: StageName(unchecked: name), queue: QueueName(unchecked: "cpu"), expectedSeconds: seconds,
            timeLimitSeconds: nil,
            work: .simulated(SimulatedWork(steps: 4, message: "step {step}", lengthSeconds: 8, output: nil)))
    }
}
