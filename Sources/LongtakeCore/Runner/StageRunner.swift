/// Does the work of stages of one kind.
public protocol StageRunner: Sendable {
    /// Runs one attempt to its end, from the checkpoint of the claim.
    /// - Returns: the result of the stage.
    /// - Throws: ``StageFailure`` if the attempt failed; `CancellationError` if it was asked to
    ///   stop; ``StageInterruption`` if the stage must return to its queue. Any other error counts as
    ///   a failure that can be retried.
    func run(_ claim: Claim, reports: StageReports) async throws -> StageResult
}

/// What a runner tells while its attempt runs. If the attempt must end, ``report(_:)`` and
/// ``register(_:)`` throw `CancellationError`, and the runner must end its work.
public struct StageReports: Sendable {
    private let reportProgress: @Sendable (StageReport) async throws -> Void
    private let registerArtifact: @Sendable (Artifact) async throws -> Void
    private let admitPreview: @Sendable () -> Bool
    private let storeDueCheckpoint: @Sendable () async -> Void

    public init(
        report: @escaping @Sendable (StageReport) async throws -> Void,
        register: @escaping @Sendable (Artifact) async throws -> Void = { _ in },
        admitPreview: @escaping @Sendable () -> Bool = { true },
        storeDueCheckpoint: @escaping @Sendable () async -> Void = {}
    ) {
        reportProgress = report
        registerArtifact = register
        self.admitPreview = admitPreview
        self.storeDueCheckpoint = storeDueCheckpoint
    }

    /// Reports progress. The runner may call this as often as it likes, because the engine drops
    /// reports that come too early. The engine keeps the checkpoint of a dropped report, and of a
    /// report that comes after the stop, and stores it before the attempt is interrupted.
    public func report(_ report: StageReport) async throws { try await reportProgress(report) }

    /// Whether the runner may register a preview now. Previews are paced like reports, so a runner
    /// asks before it copies one. A preview that is not admitted is dropped.
    public func admitsPreview() -> Bool { admitPreview() }

    /// Stores the newest checkpoint of the dropped reports, if it has waited long enough. A runner
    /// with checkpoints calls this every few seconds, because no report may follow.
    public func storeCheckpointIfDue() async { await storeDueCheckpoint() }

    /// Registers an artifact that is visible before the stage ends. Its content must be kept until
    /// this returns.
    /// - Throws: ``StageFailure`` with the code `artifact_name_taken` if another stage of the job
    ///   has an artifact with this name.
    public func register(_ artifact: Artifact) async throws { try await registerArtifact(artifact) }
}

/// The stage cannot go on now, through no fault of its own. It returns to its queue with its
/// checkpoint and loses no attempt.
public struct StageInterruption: Error, Hashable, Sendable {
    public let reason: InterruptionReason

    public init(_ reason: InterruptionReason) { self.reason = reason }
}

/// What a stage has produced.
public struct StageResult: Sendable {
    public var output: JSONValue?
    /// The artifacts that become visible with the success of the stage.
    public var artifacts: [Artifact]
    /// Keeps the content of ``artifacts`` until the end of the stage is stored.
    public var kept: [any KeptContent]

    public init(output: JSONValue? = nil, artifacts: [Artifact] = [], kept: [any KeptContent] = []) {
        self.output = output
        self.artifacts = artifacts
        self.kept = kept
    }
}

/// An attempt that failed.
public struct StageFailure: Error, Hashable, Sendable {
    /// A stable code for programs.
    public let code: String
    /// A sentence for people.
    public let message: String
    /// Whether another attempt may succeed.
    public let isRetryable: Bool
    /// What the program said, for the people who wrote it; `nil` for nothing.
    public let detail: String?

    public init(code: String = "stage_failed", message: String, isRetryable: Bool, detail: String? = nil) {
        self.code = code
        self.message = message
        self.isRetryable = isRetryable
        self.detail = detail
    }

    /// Another stage of the job has an artifact with this name.
    public static func artifactNameTaken(_ name: ArtifactName) -> StageFailure {
        StageFailure(
            code: "artifact_name_taken", message: "another stage of the job has made the artifact “\(name)”",
            isRetryable: false)
    }
}
