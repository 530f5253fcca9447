import LongtakeCore

/// When each step of a simulated stage is due, from its seed alone: the same seed, the same run, also when it is taken up half way.
struct SimulationPlan: Sendable {
    let steps: Int
    /// Steps that an earlier run has behind it.
    let done: Int
    /// The step after which this attempt fails; `nil` for one that does not. May be behind ``done``, then it fails at once.
    let failStep: Int?
    private let ends: [Duration]

    /// How much the duration of a step varies either way.
    static let jitter = 0.2

    init(_ work: SimulatedWork, of claim: Claim, speed: Double) {
        steps = max(1, work.steps)
        done = min(steps, Int((claim.checkpoint.progress.value * Double(steps)).rounded()))
        failStep = claim.simulation.flatMap { Self.failStep($0, of: claim, steps: max(1, work.steps)) }
        let seconds = claim.stage.expectedSeconds / Double(steps) / (claim.simulation?.speed ?? speed)
        let seed = Self.seed(of: claim) ^ StableHash(claim.stage.name.description).value
        var (end, ends) = (0.0, [Duration]())
        for step in done..<steps {
            // A generator for each step, so that a run that begins at this step draws the same.
            var generator = SplitMix64(seed: seed &+ UInt64(step))
            end += seconds * (1 + Self.jitter * (2 * generator.nextUnit() - 1))
            ends.append(.seconds(end))
        }
        self.ends = ends
    }

    /// When `step` (``done`` + 1 to ``steps``) ends, since the run began.
    func end(of step: Int) -> Duration { ends[step - done - 1] }

    /// The step to wait for after `step`: the first that ends at `time` or later, but no later than the failure or the last one.
    ///
    /// What ends before is passed over: at high speed a thousand steps are as cheap as one.
    func step(after step: Int, notBefore time: Duration) -> Int {
        let stop = failStep.map { max($0, step + 1) } ?? steps
        var next = step + 1
        while next < stop, end(of: next) < time { next += 1 }
        return next
    }

    private static func seed(of claim: Claim) -> UInt64 {
        guard case .integer(let seed) = claim.input["seed"] else { return StableHash(claim.job.description).value }
        return UInt64(bitPattern: seed)
    }

    private static func failStep(_ simulation: Simulation, of claim: Claim, steps: Int) -> Int? {
        guard simulation.failStage == claim.stage.name, claim.attempt <= simulation.failTimes else { return nil }
        // A little less before rounding up, so that 0.07 of 100 steps is step 7 although the product is 7.000000000000001.
        return min(steps, Int((simulation.failAt * Double(steps) - 1e-9).rounded(.up)))
    }
}
