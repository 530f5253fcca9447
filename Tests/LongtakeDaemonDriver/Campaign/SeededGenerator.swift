/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same faults at the same places of the plan.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }

    /// A generator for somebody else, who draws from it at times of his own.
    package mutating func split() -> SeededGenerator { SeededGenerator(seed: next()) }

    package mutating func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    /// True so many times in a hundred.
    package mutating func percent(_ share: Int) -> Bool { draw(0...99) < share }
}
