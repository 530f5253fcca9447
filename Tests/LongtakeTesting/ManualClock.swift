public import LongtakeCore
import Synchronization

/// A clock that stands still until a test advances it.
public final class ManualClock: WallClock {
    private let time: Mutex<ClockReading>

    /// Begins at 2026-11-20T12:00:00.000Z by default.
    public init(_ start: Timestamp = Timestamp(millisecondsSince1970: 1_795_176_000_000)) {
        time = Mutex(ClockReading(start))
    }

    public func now() -> Timestamp { time.withLock { $0.time } }

    public func steady() -> Timestamp { time.withLock { $0.steady } }

    /// Sets the wall clock, forwards or backwards, as an administrator does. The steady clock does
    /// not change, because no time passes.
    public func set(_ time: Timestamp) { self.time.withLock { $0 = ClockReading(time, steady: $0.steady) } }

    /// Sets the wall clock forwards, or backwards if the duration is negative.
    public func jump(by duration: Duration) {
        time.withLock { $0 = ClockReading($0.time.advanced(by: duration), steady: $0.steady) }
    }

    /// Advances both clocks, because time passes.
    public func advance(by duration: Duration) {
        time.withLock { $0 = ClockReading($0.time.advanced(by: duration), steady: $0.steady.advanced(by: duration)) }
    }
}
