import LongtakeCore

/// Material for tests: claims, pipelines and submissions of simulated work.
enum Work {
    static let cpu = QueueName(unchecked: "cpu")
    static let job = JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t2") ?? JobID(at: Timestamp(millisecondsSince1970: 0))

    static func stage(
        _ name: String = "frames", queue: QueueName = cpu, seconds: Double = 10, limit: Double? = nil, steps: Int = 10,
        message: String = "step {step} of {steps}", output: JSONValue? = nil
    ) -> Stage {
        Stage(
            name: StageName(unchecked: name), queue: queue, expectedSeconds: seconds, timeLimitSeconds: limit,
            work: .simulated(SimulatedWork(steps: steps, message: message, lengthSeconds: 8, output: output)))
    }

    static func claim(
        _ stage: Stage = stage(), fence: Int64 = 1, attempt: Int = 1, checkpoint: Double = 0, input: JSONValue = .null,
        simulation: Simulation? = nil
    ) -> Claim {
        Claim(
            id: ClaimID(job: job, stageIndex: 0, fence: Fence(rawValue: fence)), holder: HolderID(rawValue: 1),
            stage: stage, attempt: attempt, checkpoint: Checkpoint(progress: Progress(checkpoint)), input: input,
            simulation: simulation)
    }

    static func submission(_ stages: [Stage] = [stage()], simulation: Simulation? = nil) -> Submission {
        var generator = SystemRandomNumberGenerator()
        return Submission(
            id: JobID(at: Timestamp(millisecondsSince1970: 0), using: &generator),
            pipeline: Pipeline(name: PipelineName(unchecked: "p"), stages: stages), input: .object([:]),
            simulation: simulation)
    }
}

extension JobID {
    init(at time: Timestamp) {
        var generator = SystemRandomNumberGenerator()
        self.init(at: time, using: &generator)
    }
}
