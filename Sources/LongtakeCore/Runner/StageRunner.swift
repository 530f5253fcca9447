/// Does the work of stages of one kind.
public protocol StageRunner: Sendable {
    /// Runs one attempt to its end, from the checkpoint of the claim.
    ///
    /// The runner may call `report` as often as it likes, because the engine drops reports that
    /// come too early. If the attempt must end, `report` throws `CancellationError`, and the runner
    /// must let it pass.
    /// - Returns: the output of the stage.
    /// - Throws: ``StageFailure`` if the attempt failed; `CancellationError` if it was asked to
    ///   stop. Any other error counts as a failure that can be retried.
    func run(_ claim: Claim, report: @escaping @Sendable (StageReport) async throws -> Void) async throws -> JSONValue?
}

/// An attempt that failed.
public struct StageFailure: Error, Hashable, Sendable {
    /// A stable code for programs.
    public let code: String
    /// A sentence for people.
    public let message: String
    /// Whether another attempt may succeed.
    public let isRetryable: Bool

    public init(code: String = "stage_failed", message: String, isRetryable: Bool) {
        self.code = code
        self.message = message
        self.isRetryable = isRetryable
    }
}
