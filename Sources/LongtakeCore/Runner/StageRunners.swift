/// The runners of a daemon, by kind of work.
public struct StageRunners: Sendable {
    private let runners: [Stage.Work.Kind: any StageRunner]

    public init(_ runners: [Stage.Work.Kind: any StageRunner]) { self.runners = runners }

    /// The runner for a kind. If there is none, a runner that fails each attempt permanently.
    public func runner(of kind: Stage.Work.Kind) -> any StageRunner { runners[kind] ?? NoRunner(kind: kind) }

    private struct NoRunner: StageRunner {
        let kind: Stage.Work.Kind

        func run(_ claim: Claim, reports: StageReports) async throws -> StageResult {
            throw StageFailure(
                code: "no_runner", message: "this daemon has no runner for \(kind.rawValue) stages",
                isRetryable: false)
        }
    }
}
