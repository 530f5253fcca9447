import LongtakeCore
import NIOCore

/// Waits on an event loop for one job's next event: what a request that asks for a page with `?wait=` stands on.
///
/// It is registered before its caller reads the log once more, so an event that commits in between wakes it.
final class PageWaiter: LogListener, Sendable {
    private let job: JobID
    private let cursor: EventSequence
    private let shard: StreamShard
    private let arrival: EventLoopPromise<Void>

    init(job: JobID, cursor: EventSequence, shard: StreamShard) {
        self.job = job
        self.cursor = cursor
        self.shard = shard
        arrival = shard.loop.makePromise()
    }

    /// - Parameter read: whether the log has an event behind the cursor already.
    func wait(upTo limit: Duration, read: @Sendable () async throws -> Bool) async throws {
        let number = try await shard.loop.submit { self.shard.register(self, for: .job(self.job)) }.get()
        let timer = shard.loop.scheduleTask(in: TimeAmount(limit)) { self.arrival.succeed() }
        let result: Result<Void, any Error>
        do {
            if try await read() { arrival.succeed() }
            try await withTaskCancellationHandler {
                try await arrival.futureResult.get()
            } onCancel: {
                arrival.fail(CancellationError())
            }
            result = .success(())
        } catch {
            arrival.fail(error)
            result = .failure(error)
        }
        timer.cancel()
        shard.loop.execute { self.shard.unregister(number, from: .job(self.job)) }
        try result.get()
    }

    func take(_ run: FrameRun) { gap(upTo: run.last) }

    func gap(upTo head: LogPlace) {
        if head > LogPlace(cursor) { arrival.succeed() }
    }

    func drain() { arrival.succeed() }
}
