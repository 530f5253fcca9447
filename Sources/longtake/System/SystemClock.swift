import Glibc
import LongtakeCore

/// The clocks of the machine. A boot uses one value throughout, because its steady time starts when
/// the value is made.
struct SystemClock: WallClock {
    private let bootTime = Self.wallTime()
    private let boot = ContinuousClock.now

    func now() -> Timestamp { Self.wallTime() }

    func steady() -> Timestamp { bootTime.advanced(by: boot.duration(to: .now)) }

    private static func wallTime() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(millisecondsSince1970: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
