public import LongtakeCore

/// Pretends to work: goes through a stage's steps in their time, reports each, and fails where the job asks for it.
///
/// A run costs one sleep for each report that can be shown and nothing else, so thousands may run at once. It goes on from the
/// claim's checkpoint, and takes the same time for the same seed.
public struct SimulatedRunner: StageRunner {
    private let speed: Double
    private let clock: any Clock<Duration>
    private let reportInterval: Duration

    /// - Parameters:
    ///   - speed: multiplies time for jobs that do not say otherwise. Bounds: ``Limits/simulationSpeed``.
    ///   - reportInterval: steps that end closer together than this are reported as one, since the engine would drop the others.
    public init(speed: Double, clock: any Clock<Duration>, reportInterval: Duration = Limits.reportInterval) {
        self.speed = speed
        self.clock = clock
        self.reportInterval = reportInterval
    }

    public func run(
        _ claim: Claim, report: @escaping @Sendable (StageReport) async throws -> Void
    ) async throws -> JSONValue? {
        guard case .simulated(let work) = claim.stage.work else {
            throw StageFailure(message: "the stage is not a simulated one", isRetryable: false)
        }
        // Deadlines count from here, so that what sleeping and reporting cost does not add up.
        let timeline = Timeline(on: clock)
        let plan = SimulationPlan(work, of: claim, speed: speed)
        let message = StepMessage(work: work)
        try failIfDue(plan, after: plan.done, of: claim)
        var (step, earliest) = (plan.done, Duration.zero)
        while step < plan.steps {
            step = plan.step(after: step, notBefore: earliest)
            try await timeline.sleep(until: plan.end(of: step))
            let progress = Progress(Double(step) / Double(plan.steps))
            try await report(StageReport(progress: progress, message: message.text(after: step)))
            // From when the report was through, so that the next one is an interval later on anybody's watch.
            earliest = timeline.elapsed + reportInterval
            try failIfDue(plan, after: step, of: claim)
        }
        return output(of: work)
    }

    private func failIfDue(_ plan: SimulationPlan, after step: Int, of claim: Claim) throws {
        guard let failStep = plan.failStep, let simulation = claim.simulation, step >= failStep else { return }
        throw StageFailure(
            message: "simulated failure \(claim.attempt) of \(simulation.failTimes)", isRetryable: !simulation.fatal)
    }

    /// What the pipeline says, marked as simulated where it has members.
    private func output(of work: SimulatedWork) -> JSONValue? {
        guard case .object(var members) = work.output else { return work.output }
        members["simulated"] = .bool(true)
        return .object(members)
    }
}
