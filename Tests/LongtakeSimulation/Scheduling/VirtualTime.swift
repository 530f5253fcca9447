import LongtakeCore
import LongtakeTesting
import NIOCore

/// The time of one schedule. Only the schedule advances it, and it outlives the boots of the
/// daemon.
final class VirtualTime {
    /// The time since the schedule began. It never goes back.
    private(set) var now: Duration = .zero
    let wall = ManualClock()
    /// The clock of the current boot.
    private(set) var clock = TestClock()
    private var clockBegan: Duration = .zero
    private var loops: [SimulatedLoop] = []

    /// Begins a new boot. The timers of the previous boot do not fire any more.
    func boot(_ loops: [SimulatedLoop]) {
        clock = TestClock()
        clockBegan = now
        self.loops = loops
    }

    /// The time of the next timer of any kind.
    var nextDeadline: Duration? {
        let sleeper = clock.nextDeadline.map { clockBegan + $0.offset }
        return (loops.compactMap(\.nextDeadline) + (sleeper.map { [$0] } ?? [])).min()
    }

    /// Advances the time, and makes due timers ready.
    func advance(by duration: Duration) {
        now += duration
        wall.advance(by: duration)
        clock.advance(by: duration)
        for loop in loops { loop.timeMoved() }
    }

    /// Sets the wall clock forwards or backwards. No other clock moves.
    func setWall(by duration: Duration) { wall.jump(by: duration) }

    var deadline: NIODeadline { Self.deadline(now) }

    static func deadline(_ time: Duration) -> NIODeadline {
        // The time begins at an hour, so that no deadline equals `NIODeadline.distantPast`.
        .uptimeNanoseconds(UInt64((time + .seconds(3600)) / .nanoseconds(1)))
    }
}
