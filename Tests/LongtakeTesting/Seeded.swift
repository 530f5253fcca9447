/// A xorshift generator: a failing seed reproduces its walk.
public struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    /// - Parameter state: not 0, where such a generator stands still.
    public init(state: UInt64) { self.state = state }

    public mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_f491_4f6c_dd1d
    }
}
