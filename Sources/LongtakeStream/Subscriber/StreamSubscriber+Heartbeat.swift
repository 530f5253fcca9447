import LongtakeAPI
import LongtakeCore
import NIOCore

/// What a stream does when one of its deadlines is due.
extension StreamSubscriber {
    /// Ends the stream after `ticks`, and tells the client why.
    func end(after ticks: Int, _ reason: StreamEnd) {
        deadlines.end(at: shard.now + ticks, reason)
        scheduleNext()
    }

    func tick(_ now: Int) {
        guard sink != nil else { return }
        switch deadlines.due(at: now) {
        case .nothing: break
        case .writeTimeout: return abort(.slow)
        case .end(let reason): return endNow(reason)
        case .heartbeat: heartbeat()
        }
        scheduleNext()
    }

    /// Schedules a callback of the wheel at the earliest deadline.
    func scheduleNext() {
        guard sink != nil, let number, let tick = deadlines.nextCallback(at: shard.now) else { return }
        shard.schedule(number, at: tick)
    }

    private func endNow(_ reason: StreamEnd) {
        if let id = takeUnsentCursor() { send(.cursor(id)) }
        send(.end(reason: reason, retryMilliseconds: hub.drawRetry()))
        finish(.announced(reason))
    }

    private func heartbeat() {
        if heartbeatEvents, case .job(let job) = source, mayBeQueued {
            readQueuePosition(of: job)
        } else {
            sendHeartbeat(queuePosition: nil)
        }
    }

    private func sendHeartbeat(queuePosition: Int?) {
        if let id = takeUnsentCursor() {
            send(.cursor(id))
            if heartbeatEvents { send(.heartbeatEvent(queuePosition: nil)) }
        } else {
            send(heartbeatEvents ? .heartbeatEvent(queuePosition: queuePosition) : .heartbeat)
        }
        writabilityChanged()
        guard let head = shard.head(of: source.log, in: epoch) else { return }
        perform(state.compare(with: head))
    }
}

/// A read of the job for one heartbeat.
struct PositionRead {
    let task: Task<Void, Never>
    let startedAt: Int
}

/// The queue position in heartbeats that are events.
///
/// It costs one read per heartbeat. So the stream reads it only while the last event of the job
/// says that the job may be queued, and the read takes its turn between those of other tenants. If
/// the read fails or is late, the heartbeat has no position.
extension StreamSubscriber {
    /// A heartbeat waits for the read at most this long.
    private static let positionTimeout: Duration = .seconds(1)

    /// Updates ``mayBeQueued`` after this event.
    func updateMayBeQueued(_ last: EventFrame?) {
        guard heartbeatEvents, let last else { return }
        switch last.type {
        case .jobQueued, .stageSucceeded, .stageRetrying, .jobInterrupted: mayBeQueued = true
        default: mayBeQueued = false
        }
    }

    /// Sends the heartbeat when the position is read. Until then the wheel calls again at each
    /// tick.
    private func readQueuePosition(of job: JobID) {
        if let positionRead {
            guard shard.now - positionRead.startedAt >= StreamShard.ticks(Self.positionTimeout) else { return }
            positionRead.task.cancel()
            self.positionRead = nil
            return sendHeartbeat(queuePosition: nil)
        }
        let (reader, tenant, loop, startedAt) = (hub.reader, tenant, shard.loop, shard.now)
        let subscriber = NIOLoopBound(self, eventLoop: loop)
        // The store is asynchronous and the loop must not wait for it.
        let task = hub.tasks.start {
            let job = try? await reader.job(job, of: tenant)
            loop.execute { subscriber.value.positionArrived(job, startedAt: startedAt) }
        }
        positionRead = PositionRead(task: task, startedAt: startedAt)
    }

    private func positionArrived(_ job: Job?, startedAt: Int) {
        guard let positionRead, positionRead.startedAt == startedAt else { return }
        self.positionRead = nil
        guard sink != nil else { return }
        if let job { mayBeQueued = job.stages.contains { $0.state == .queued } }
        sendHeartbeat(queuePosition: job?.queuePosition)
    }
}
