public import LongtakeCore

/// Small jobs for tests.
public enum Samples {
    public static let cpu = QueueName(unchecked: "cpu")
    public static let gpu = QueueName(unchecked: "gpu")

    /// Two stages, on `cpu` and on `gpu`.
    public static let pipeline = Pipeline(
        name: PipelineName(unchecked: "clip"),
        stages: [stage("frames", cpu), stage("encode", gpu)])

    /// The same with stages that are processes.
    public static let commandPipeline = Pipeline(
        name: PipelineName(unchecked: "film"),
        stages: [commandStage("frames", cpu), commandStage("encode", gpu)])

    public static func commandStage(_ name: String, _ queue: QueueName) -> Stage {
        Stage(
            name: StageName(unchecked: name), queue: queue, expectedSeconds: 10, timeLimitSeconds: nil,
            work: .command(CommandWork(arguments: [CommandArgument("/bin/true")])))
    }

    public static func stage(_ name: String, _ queue: QueueName) -> Stage {
        Stage(
            name: StageName(unchecked: name), queue: queue, expectedSeconds: 10, timeLimitSeconds: nil,
            work: .simulated(SimulatedWork(steps: 4, message: "{step}", lengthSeconds: 4, output: nil)))
    }

    /// Content whose hash contains `number`.
    public static func content(_ number: Int, bytes: Int64 = 100) -> Content {
        let digits = String(number)
        return Content(hash: ContentHash(hex: String(repeating: "0", count: 64 - digits.count) + digits)!, bytes: bytes)
    }

    public static func artifact(_ name: String, _ number: Int, _ role: Artifact.Role = .preview) -> Artifact {
        Artifact(name: ArtifactName(name)!, type: "image/png", content: content(number), role: role)
    }

    /// A file that expires 24 hours after `time`.
    public static func file(
        _ number: Int, bytes: Int64 = 100, type: String = "image/png", at time: Timestamp
    ) -> UploadedFile {
        UploadedFile(
            content: content(number, bytes: bytes), type: type, name: "\(number).png", createdAt: time,
            expiresAt: time.advanced(by: Limits.fileLifetime))
    }

    /// A submission whose job id contains `number`.
    public static func submission(
        _ number: Int, tenant: String = "anonymous", priority: Int = 0, key: String? = nil, prompt: String = "a boat",
        pipeline: Pipeline = pipeline
    ) -> Submission {
        let digits = String(number)
        let id = JobID("job_" + String(repeating: "0", count: 26 - digits.count) + digits)!
        return Submission(
            id: id, tenant: TenantName(unchecked: tenant), pipeline: pipeline,
            input: .object(["prompt": .string(prompt)]),
            priority: Priority(priority)!, metadata: ["order": key ?? digits], idempotencyKey: key)
    }
}
