public import LongtakeCore
import NIOCore

/// Test events that a stream is to write in place of a log's, each by itself and at its own time.
public struct DiagnosticsPlan: Sendable {
    /// How many, at least one.
    public var events: Int
    /// From one to the next.
    public var interval: Duration
    /// Says of each when it was written.
    public var clock: any WallClock

    public init(events: Int, interval: Duration, clock: any WallClock) {
        self.events = events
        self.interval = interval
        self.clock = clock
    }
}

/// A stream that tells no log, but when it wrote: whoever sees its events arrive together has something on the way that holds them back.
extension StreamSubscriber {
    func begin(_ plan: DiagnosticsPlan) { tell(1, of: plan, since: shard.loop.now) }

    private func tell(_ number: Int, of plan: DiagnosticsPlan, since start: NIODeadline) {
        guard sink != nil else { return }
        send(.diagnosticsEvent(number, of: plan.events, at: plan.clock.now()))
        guard number < plan.events else {
            send(.diagnosticsEnd(after: plan.events))
            return finish(.complete)
        }
        let stream = NIOLoopBound(self, eventLoop: shard.loop)
        // A timer of its own: the wheel that all streams share has ticks of a quarter second, and few ever ask for this.
        nextDiagnostic = shard.loop.scheduleTask(deadline: start + TimeAmount(plan.interval) * number) {
            stream.value.tell(number + 1, of: plan, since: start)
        }
    }
}
