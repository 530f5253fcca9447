import LongtakeCore
import NIOCore

/// The time left, in a stream of a job that asked for it (`estimate=1`).
///
/// It costs one read of the job every 5 s, which takes its turn between those of other tenants. If
/// the read fails, or the client does not read, the stream skips this estimate.
extension StreamSubscriber {
    /// Reads the job, and sends its estimate if ``EstimateNotice`` says so.
    func readEstimate() {
        guard sink != nil, case .job(let job) = source else { return }
        let (reader, tenant, loop) = (hub.reader, tenant, shard.loop)
        let subscriber = NIOLoopBound(self, eventLoop: loop)
        // The store is asynchronous and the loop must not wait for it.
        estimateRead = hub.tasks.start {
            let job = try? await reader.job(job, of: tenant)
            loop.execute { subscriber.value.estimateArrived(job) }
        }
    }

    private func estimateArrived(_ job: Job?) {
        estimateRead = nil
        guard let sink else { return }
        let now = shard.loop.now
        if let job, !job.state.isFinal, sink.isWritable,
            case .show(let estimate) = notice.decide(job.estimate, at: Timestamp(now))
        {
            send(.estimate(job.id, estimate))
        }
        let subscriber = NIOLoopBound(self, eventLoop: shard.loop)
        // A timer of its own, because the deadlines of the shared wheel are those of every stream.
        nextEstimate = shard.loop.scheduleTask(deadline: now + .milliseconds(Self.estimateInterval)) {
            subscriber.value.readEstimate()
        }
    }

    private static let estimateInterval = Int64(EstimateLimits.noticeSeconds * 1000)
}

extension Timestamp {
    /// A moment of the loop's clock, for differences only.
    fileprivate init(_ deadline: NIODeadline) {
        self.init(millisecondsSince1970: Int64(deadline.uptimeNanoseconds / 1_000_000))
    }
}
