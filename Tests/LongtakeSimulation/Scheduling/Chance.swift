import LongtakeTesting

/// The source of all random decisions of a schedule, so that the seed determines the schedule.
final class Chance: RandomNumberGenerator {
    private var generator: Seeded

    init(seed: UInt64) {
        // Neighbouring seeds must give unrelated states, and a state must not be 0. So the seed is
        // mixed once (with the finalizer of SplitMix64).
        var bits = (seed &+ 1) &* 0x9e37_79b9_7f4a_7c15
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        generator = Seeded(state: (bits ^ (bits >> 31)) | 1)
    }

    func next() -> UInt64 { generator.next() }

    /// From 0 up to, not including, `bound`.
    func below(_ bound: Int) -> Int { Int((generator.next() >> 11) % UInt64(bound)) }

    func isOne(in count: Int) -> Bool { below(count) == 0 }

    func one<Element>(of elements: [Element]) -> Element { elements[below(elements.count)] }

    func milliseconds(_ range: ClosedRange<Int>) -> Duration {
        .milliseconds(range.lowerBound + below(range.count))
    }
}

/// For code that needs a `Sendable` generator. Unchecked, because the simulation has one thread.
struct SendableChance: RandomNumberGenerator, @unchecked Sendable {
    let chance: Chance

    init(_ chance: Chance) { self.chance = chance }

    mutating func next() -> UInt64 { chance.next() }
}
