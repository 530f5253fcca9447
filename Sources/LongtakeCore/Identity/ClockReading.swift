/// One reading of two clocks: the wall clock, which clients are told, and the steady clock, which durations are measured on.
public struct ClockReading: Hashable, Sendable {
    /// What the wall clock says.
    public let time: Timestamp
    /// ``WallClock/steady()`` at the same moment.
    public let steady: Timestamp

    /// - Parameter steady: `nil` for a moment of an earlier boot, of which only the wall clock is known.
    public init(_ time: Timestamp, steady: Timestamp? = nil) {
        self.time = time
        self.steady = steady ?? time
    }

    /// The same moment, told as `earliest` if the wall clock was set back behind it: the times of one job never go back.
    public func told(notBefore earliest: Timestamp) -> ClockReading {
        ClockReading(max(time, earliest), steady: steady)
    }

    /// The seconds from `earlier` to here on the steady clock, in milliseconds' precision; never negative.
    public func seconds(since earlier: ClockReading) -> Double { steady.seconds(since: earlier.steady) }
}
