import LongtakeAPI
import NIOCore

/// What a stream does by itself, when its loop's wheel says that it is time.
extension StreamSubscriber {
    /// Ends the stream after `ticks`, telling the reader why.
    func end(after ticks: Int, _ reason: StreamEnd) {
        deadlines.end(at: shard.now + ticks, reason)
        scheduleNext()
    }

    func tick(_ now: Int) {
        guard sink != nil else { return }
        switch deadlines.due(at: now) {
        case .nothing: break
        case .giveUp: return abort(.slow)
        case .end(let reason): return endNow(reason)
        case .heartbeat: beat()
        }
        scheduleNext()
    }

    private func beat() {
        if showsHeartbeat, case .job(let job) = source, mayWait {
            askForPosition(of: job)
        } else {
            beat(queuePosition: nil)
        }
    }

    /// Says that the stream lives.
    func beat(queuePosition: Int?) {
        if let id = takeUntold() {
            send(.movedOn(to: id))
            if showsHeartbeat { send(.heartbeatEvent(queuePosition: nil)) }
        } else {
            send(showsHeartbeat ? .heartbeatEvent(queuePosition: queuePosition) : .heartbeat)
        }
        roomChanged()
        guard let head = shard.head(of: source.log, in: epoch) else { return }
        perform(state.compare(with: head))
    }

    private func endNow(_ reason: StreamEnd) {
        if let id = takeUntold() { send(.movedOn(to: id)) }
        send(.end(reason: reason, retryMilliseconds: hub.drawRetry()))
        finish(.told(reason))
    }

    /// Has the wheel call back at the earliest of the deadlines.
    func scheduleNext() {
        guard sink != nil, let number, let tick = deadlines.appointment(at: shard.now) else { return }
        shard.schedule(number, at: tick)
    }
}
