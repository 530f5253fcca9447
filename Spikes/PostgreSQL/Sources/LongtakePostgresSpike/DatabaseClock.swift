import LongtakeCore
import Synchronization

/// The database's clock as this node knows it: its own monotonic clock plus the difference that was measured last. The
/// times of all nodes can be compared, and none goes back while the node lives.
final class DatabaseClock: WallClock {
    private let origin = ContinuousClock.now
    /// The database's milliseconds at ``origin``.
    private let offset = Mutex<Int64>(0)

    init() {}

    private func passed() -> Int64 {
        let (seconds, attoseconds) = (ContinuousClock.now - origin).components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// - Parameter milliseconds: what the database's clock says.
    func measured(_ milliseconds: Int64) {
        let new = milliseconds - passed()
        offset.withLock { $0 = max($0, new) }
    }

    func steady() -> Timestamp { Timestamp(millisecondsSince1970: offset.withLock { $0 } + passed()) }
    func now() -> Timestamp { steady() }
}
