public import LongtakeCore
import NIOCore

/// The test events of a diagnostics stream. Each one is written separately, at its own time.
public struct DiagnosticsPlan: Sendable {
    /// The number of test events, at least one.
    public var events: Int
    /// The time between two of them.
    public var interval: Duration
    /// Gives the time of each write.
    public var clock: any WallClock

    public init(events: Int, interval: Duration, clock: any WallClock) {
        self.events = events
        self.interval = interval
        self.clock = clock
    }
}

/// Sends test events that contain the time of their write. If they arrive together, something
/// between daemon and client buffers them.
extension StreamSubscriber {
    func begin(_ plan: DiagnosticsPlan) { sendDiagnostic(1, of: plan, since: shard.loop.now) }

    private func sendDiagnostic(_ number: Int, of plan: DiagnosticsPlan, since start: NIODeadline) {
        guard sink != nil else { return }
        send(.diagnosticsEvent(number, of: plan.events, at: plan.clock.now()))
        guard number < plan.events else {
            send(.diagnosticsEnd(after: plan.events))
            return finish(.complete)
        }
        let stream = NIOLoopBound(self, eventLoop: shard.loop)
        // A timer of its own, because the ticks of the shared wheel are a quarter of a second long.
        nextDiagnostic = shard.loop.scheduleTask(deadline: start + TimeAmount(plan.interval) * number) {
            stream.value.sendDiagnostic(number + 1, of: plan, since: start)
        }
    }
}
