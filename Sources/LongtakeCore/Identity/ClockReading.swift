/// One reading of two clocks. Clients see the time of the wall clock. Durations are differences of
/// the steady clock.
public struct ClockReading: Hashable, Sendable {
    /// The time of the wall clock.
    public let time: Timestamp
    /// The time of the steady clock (``WallClock/steady()``) at the same moment.
    public let steady: Timestamp

    /// - Parameter steady: `nil` for a moment of an earlier boot, if only its wall-clock time is
    ///   known.
    public init(_ time: Timestamp, steady: Timestamp? = nil) {
        self.time = time
        self.steady = steady ?? time
    }

    /// The same moment. If the wall clock was set back before `earliest`, the wall-clock time is
    /// `earliest`. So the times of the events of one job never decrease.
    public func clamped(notBefore earliest: Timestamp) -> ClockReading {
        ClockReading(max(time, earliest), steady: steady)
    }

    /// The seconds since `earlier` on the steady clock, with millisecond precision. Never negative.
    public func seconds(since earlier: ClockReading) -> Double { steady.seconds(since: earlier.steady) }
}
