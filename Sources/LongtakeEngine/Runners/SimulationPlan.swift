import LongtakeCore

/// The times at which the steps of a simulated stage end. They follow from the seed alone, so a run
/// that continues from a checkpoint has the same times as the original run.
struct SimulationPlan: Sendable {
    let steps: Int
    /// The number of steps that an earlier run has completed.
    let done: Int
    /// The step after which this attempt fails; `nil` if it does not fail. If it is not after
    /// ``done``, the attempt fails at once.
    let failStep: Int?
    private let ends: [Duration]

    /// The duration of a step varies by this fraction in both directions.
    static let jitter = 0.2

    init(_ work: SimulatedWork, of claim: Claim, speed: Double) {
        steps = max(1, work.steps)
        done = min(steps, Int((claim.checkpoint.progress.value * Double(steps)).rounded()))
        failStep = claim.simulation.flatMap { Self.failStep($0, of: claim, steps: max(1, work.steps)) }
        let seconds = claim.stage.expectedSeconds / Double(steps) / (claim.simulation?.speed ?? speed)
        let seed = Self.seed(of: claim) ^ StableHash(claim.stage.name.description).value
        var (end, ends) = (0.0, [Duration]())
        for step in done..<steps {
            // One generator per step, so that a run that begins at this step gets the same
            // duration.
            var generator = SplitMix64(seed: seed &+ UInt64(step))
            end += seconds * (1 + Self.jitter * (2 * generator.nextUnit() - 1))
            ends.append(.seconds(end))
        }
        self.ends = ends
    }

    /// The time from the start of the run to the end of `step`, which is ``done`` + 1 to ``steps``.
    func end(of step: Int) -> Duration { ends[step - done - 1] }

    /// The next step to wait for: the first after `step` that ends at `time` or later. It is at
    /// most the step that fails or the last step.
    ///
    /// Steps that end earlier are skipped, so at high speed a thousand steps cost no more than one.
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
        // The subtraction corrects floating-point errors: 0.07 × 100 is 7.000000000000001, and the
        // step is 7.
        return min(steps, Int((simulation.failAt * Double(steps) - 1e-9).rounded(.up)))
    }
}

/// A small seeded generator (Steele, Lea, Flood: “Fast Splittable Pseudorandom Number Generators”,
/// OOPSLA 2014). The same seed gives the same numbers on every machine and in every version.
struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }

    /// A number in 0..<1. It does not use the standard library's conversion, because that may
    /// change between versions.
    mutating func nextUnit() -> Double {
        Double(next() >> 11) * 0x1p-53
    }
}

/// FNV-1a in 64 bits (RFC 9923). Unlike `Hasher`, it gives the same value for the same text in
/// every process.
struct StableHash: Hashable, Sendable {
    let value: UInt64

    init(_ text: String) {
        value = text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    }
}
