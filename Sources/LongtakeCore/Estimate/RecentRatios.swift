/// The newest ratios of an actual duration to an expected one, oldest first.
public struct RecentRatios: Hashable, Sendable, Codable {
    /// How many ratios are kept.
    public let limit: Int
    public private(set) var values: [Float]

    /// - Parameter limit: at least 1.
    public init(limit: Int) {
        self.limit = max(1, limit)
        values = []
    }

    /// Adds a ratio. It ignores ratios that are not finite or not above 0.
    public mutating func add(_ ratio: Double) {
        let value = Float(ratio)
        guard value.isFinite, value > 0 else { return }
        if values.count == limit { values.removeFirst() }
        values.append(value)
    }

    /// The smallest ratio that is at least as large as the given part of the next ones, if they
    /// come from the same distribution.
    ///
    /// The rank is ⌈part × (n + 1)⌉ and not ⌈part × n⌉, because the next ratio is not among the n
    /// that are known (split conformal prediction, Vovk, Gammerman and Shafer 2005).
    /// - Returns: `nil` without ratios.
    func percentile(_ part: Double) -> Double? {
        guard !values.isEmpty else { return nil }
        let rank = Int((part * Double(values.count + 1)).rounded(.up))
        return Double(values.sorted()[min(max(rank, 1), values.count) - 1])
    }
}

extension RecentRatios {
    /// The row of a store: 4 bytes for each ratio (IEEE 754, little-endian), oldest first.
    public var bytes: [UInt8] {
        values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) } }
    }

    /// - Returns: `nil` if the bytes are not those of at most `limit` ratios.
    public init?(limit: Int, bytes: some Collection<UInt8>) {
        self.init(limit: limit)
        guard bytes.count.isMultiple(of: 4), bytes.count / 4 <= self.limit else { return nil }
        var pattern: UInt32 = 0
        for (index, byte) in bytes.enumerated() {
            pattern |= UInt32(byte) << (index % 4 * 8)
            guard index % 4 == 3 else { continue }
            let value = Float(bitPattern: pattern)
            guard value.isFinite, value > 0 else { return nil }
            values.append(value)
            pattern = 0
        }
    }
}
