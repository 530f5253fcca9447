public import LongtakeCore
import Synchronization

/// A clock that stands still until a test moves it.
public final class ManualClock: WallClock {
    private let time: Mutex<Timestamp>

    /// Begins at 2026-11-20T12:00:00.000Z unless told otherwise.
    public init(_ start: Timestamp = Timestamp(millisecondsSince1970: 1_795_176_000_000)) {
        time = Mutex(start)
    }

    public func now() -> Timestamp { time.withLock { $0 } }

    /// Goes to `time`, forwards or backwards.
    public func set(_ time: Timestamp) { self.time.withLock { $0 = time } }

    public func advance(by duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
}
