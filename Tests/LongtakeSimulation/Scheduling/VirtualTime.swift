import LongtakeCore
import LongtakeTesting
import NIOCore

/// The time of one schedule. It moves only when the schedule says so, and outlives the boots of the daemon.
final class VirtualTime {
    /// Since the schedule began; what never goes back.
    private(set) var now: Duration = .zero
    let wall = ManualClock()
    /// What sleeps on it, of the present boot.
    private(set) var clock = TestClock()
    private var clockBegan: Duration = .zero
    private var loops: [SimulatedLoop] = []

    /// A new boot: nothing that waited in the one before waits any more.
    func boot(_ loops: [SimulatedLoop]) {
        clock = TestClock()
        clockBegan = now
        self.loops = loops
    }

    /// When the next timer of any kind is due.
    var nextDeadline: Duration? {
        let sleeper = clock.nextDeadline.map { clockBegan + $0.offset }
        return (loops.compactMap(\.nextDeadline) + (sleeper.map { [$0] } ?? [])).min()
    }

    /// Moves time on, and makes ready what has become due.
    func advance(by duration: Duration) {
        now += duration
        wall.advance(by: duration)
        clock.advance(by: duration)
        for loop in loops { loop.timeMoved() }
    }

    /// The clock on the wall is set, forwards or backwards; nothing else moves.
    func setWall(by duration: Duration) { wall.jump(by: duration) }

    var deadline: NIODeadline { Self.deadline(now) }

    static func deadline(_ time: Duration) -> NIODeadline {
        // An hour ahead, so that no deadline is the distant past.
        .uptimeNanoseconds(UInt64((time + .seconds(3600)) / .nanoseconds(1)))
    }
}
