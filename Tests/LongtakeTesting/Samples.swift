public import LongtakeCore

/// Small jobs for tests.
public enum Samples {
    public static let cpu = QueueName(unchecked: "cpu")
    public static let gpu = QueueName(unchecked: "gpu")

    /// Two stages, on `cpu` and on `gpu`.
    public static let pipeline = Pipeline(
        name: PipelineName(unchecked: "clip"),
        stages: [stage("frames", cpu), stage("encode", gpu)])

    public static func stage(_ name: String, _ queue: QueueName) -> Stage {
        Stage(
            name: StageName(unchecked: name), queue: queue, expectedSeconds: 10, timeLimitSeconds: nil,
            work: .simulated(SimulatedWork(steps: 4, message: "{step}", lengthSeconds: 4, output: nil)))
    }

    /// A submission whose job id contains `number`.
    public static func submission(
        _ number: Int, tenant: String = "anonymous", priority: Int = 0, key: String? = nil, prompt: String = "a boat"
    ) -> Submission {
        let digits = String(number)
        let id = JobID("job_" + String(repeating: "0", count: 26 - digits.count) + digits)!
        return Submission(
            id: id, tenant: TenantName(unchecked: tenant), pipeline: pipeline,
            input: .object(["prompt": .string(prompt)]),
            priority: Priority(priority)!, metadata: ["order": key ?? digits], idempotencyKey: key)
    }
}
