public import LongtakeCore

/// Simulates work: it sleeps through the steps of a stage, reports each step, and fails if the job
/// asks for it.
///
/// A run costs one sleep per report and nothing else, so thousands may run at the same time. It
/// continues from the claim's checkpoint, and it takes the same time for the same seed.
public struct SimulatedRunner: StageRunner {
    private let speed: Double
    private let clock: any Clock<Duration>
    private let reportInterval: Duration

    /// Makes a runner.
    /// - Parameters:
    ///   - speed: the speed for jobs that set none of their own. Bounds:
    ///     ``Limits/simulationSpeed``.
    ///   - reportInterval: steps that end within one interval are reported once, because the engine
    ///     would drop the other reports.
    public init(speed: Double, clock: any Clock<Duration>, reportInterval: Duration = EngineLimits.reportInterval) {
        self.speed = speed
        self.clock = clock
        self.reportInterval = reportInterval
    }

    public func run(_ claim: Claim, reports: StageReports) async throws -> StageResult {
        guard case .simulated(let work) = claim.stage.work else {
            throw StageFailure(message: "the stage is not a simulated one", isRetryable: false)
        }
        // All deadlines are relative to this start, so that the delays of sleeps and reports do not
        // add up.
        let timeline = Timeline(on: clock)
        let plan = SimulationPlan(work, of: claim, speed: speed)
        let message = StepMessage(work: work)
        try failIfDue(plan, after: plan.done, of: claim)
        var (step, earliest) = (plan.done, Duration.zero)
        while step < plan.steps {
            step = plan.step(after: step, notBefore: earliest)
            try await timeline.sleep(until: plan.end(of: step))
            let progress = Progress(Double(step) / Double(plan.steps))
            try await reports.report(StageReport(progress: progress, message: message.text(after: step)))
            // Measured after the report has returned, so that the engine also sees a full interval
            // between two reports.
            earliest = timeline.elapsed + reportInterval
            try failIfDue(plan, after: step, of: claim)
        }
        return StageResult(output: output(of: work))
    }

    private func failIfDue(_ plan: SimulationPlan, after step: Int, of claim: Claim) throws {
        guard let failStep = plan.failStep, let simulation = claim.simulation, step >= failStep else { return }
        throw StageFailure(
            message: "simulated failure \(claim.attempt) of \(simulation.failTimes)", isRetryable: !simulation.fatal)
    }

    /// The output from the pipeline. If it is an object, a member marks it as simulated.
    private func output(of work: SimulatedWork) -> JSONValue? {
        guard case .object(var members) = work.output else { return work.output }
        members["simulated"] = .bool(true)
        return .object(members)
    }
}

/// Formats the message of a simulated step: `frame {step} of {steps}` becomes `frame 101 of 192`.
struct StepMessage: Sendable {
    let work: SimulatedWork

    /// The text after `step` steps. `{percent}` is rounded down. `{clock}` and `{length}` are
    /// minutes, seconds and tenths.
    func text(after step: Int) -> String {
        let length = work.lengthSeconds
        let values = [
            "step": String(step), "steps": String(work.steps), "percent": String(step * 100 / max(1, work.steps)),
            "clock": Self.clock(length * Double(step) / Double(max(1, work.steps))), "length": Self.clock(length),
        ]
        var (text, rest) = ("", Substring(work.message))
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            let name = String(rest[rest.index(after: open)..<close])
            // Unknown names stay as they are.
            text += String(rest[..<open]) + (values[name] ?? String(rest[open...close]))
            rest = rest[rest.index(after: close)...]
        }
        return text + rest
    }

    /// Formats a time as in `00:04.2`. Hundredths are truncated, and minutes may exceed 59.
    private static func clock(_ seconds: Double) -> String {
        let tenths = Int((seconds * 10 + 1e-6).rounded(.down))
        return "\(padded(tenths / 600)):\(padded(tenths / 10 % 60)).\(tenths % 10)"
    }

    private static func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
}
