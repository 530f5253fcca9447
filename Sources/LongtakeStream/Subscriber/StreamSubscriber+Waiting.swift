import LongtakeCore
import NIOCore

/// A read of the job for one sign of life.
struct QueueQuestion {
    let task: Task<Void, Never>
    /// The tick at which it was asked.
    let askedAt: Int
}

/// Where a job waits that somebody watches: a page that asked for signs of life that it can see is told the position with each.
///
/// It costs a read for each sign of life, so it is done only while the job's last event says that it may wait, and the read takes its turn
/// behind those of other tenants. A read that fails or is late is left out: the sign of life goes out without a position.
extension StreamSubscriber {
    /// A sign of life waits for the read no longer than this.
    private static let patience: Duration = .seconds(1)

    /// Notes whether the job may wait behind this event.
    func noteWaiting(_ last: EventFrame?) {
        guard showsHeartbeat, let last else { return }
        switch last.type {
        case .jobQueued, .stageSucceeded, .stageRetrying, .jobInterrupted: mayWait = true
        default: mayWait = false
        }
    }

    /// Has the next sign of life tell the position. The wheel calls again at each tick until it was written.
    func askForPosition(of job: JobID) {
        if let asking {
            guard shard.now - asking.askedAt >= StreamShard.ticks(Self.patience) else { return }
            asking.task.cancel()
            self.asking = nil
            return beat(queuePosition: nil)
        }
        let (log, tenant, loop, askedAt) = (hub.log, tenant, shard.loop, shard.now)
        let subscriber = NIOLoopBound(self, eventLoop: loop)
        // A task that lives only for this read: the journal is asynchronous and the loop must not wait for it.
        let task = hub.tasks.start {
            let read = try? await log.job(job, of: tenant)
            loop.execute { subscriber.value.positionArrived(of: read, askedAt: askedAt) }
        }
        asking = QueueQuestion(task: task, askedAt: askedAt)
    }

    private func positionArrived(of job: Job?, askedAt: Int) {
        guard let asking, asking.askedAt == askedAt else { return }
        self.asking = nil
        guard sink != nil else { return }
        if let job { mayWait = job.stages.contains { $0.state == .queued } }
        beat(queuePosition: job?.queuePosition)
    }
}
