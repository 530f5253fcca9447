/// When the events of one job came to be, by their numbers: read from the first copy of each, for all its watchers.
struct OriginTable {
    private var times: [Int64] = []

    /// The time in microseconds since 1970; `nil` where it is not known yet.
    subscript(_ sequence: UInt64) -> Int64? {
        get {
            let index = Int(clamping: sequence)
            guard index < times.count, times[index] != 0 else { return nil }
            return times[index]
        }
        set {
            let index = Int(clamping: sequence)
            guard index < Self.most, let newValue else { return }
            if index >= times.count { times += Array(repeating: 0, count: index - times.count + 64) }
            times[index] = newValue
        }
    }

    /// No job of a measurement has more events.
    private static let most = 1_000_000
}
