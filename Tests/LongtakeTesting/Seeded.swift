/// A xorshift generator. The same seed gives the same numbers, so a failure can be reproduced.
public struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    /// - Parameter state: the seed. It must not be 0, because the generator would return only
    ///   zeros.
    public init(state: UInt64) { self.state = state }

    public mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_f491_4f6c_dd1d
    }
}
