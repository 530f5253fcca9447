/// Does the work of one stage.
public protocol StageRunner: Sendable {
    /// Runs one attempt to its end, from the claim's checkpoint.
    ///
    /// `report` may be called as often as the runner likes: the engine passes on what the limits of a log allow. It throws when the
    /// stage is to be given up, and the runner lets that through.
    /// - Returns: the stage's output.
    /// - Throws: ``StageFailure`` when the attempt failed; `CancellationError` when it was told to stop. Anything else counts as a
    ///   failure that may be retried.
    func run(_ claim: Claim, report: @escaping @Sendable (StageReport) async throws -> Void) async throws -> JSONValue?
}

/// An attempt that failed.
public struct StageFailure: Error, Hashable, Sendable {
    /// A stable word for programs.
    public let code: String
    /// A sentence for people.
    public let message: String
    /// Whether another attempt may help.
    public let isRetryable: Bool

    public init(code: String = "stage_failed", message: String, isRetryable: Bool) {
        self.code = code
        self.message = message
        self.isRetryable = isRetryable
    }
}
