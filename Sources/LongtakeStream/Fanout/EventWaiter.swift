import LongtakeCore
import NIOCore

/// Waits on an event loop for one job's next event, or its final one: what a request that asks to wait stands on.
///
/// It is registered before its caller reads the log once more, so an event that commits in between wakes it.
final class EventWaiter: LogListener, Sendable {
    private let job: JobID
    private let tenant: TenantName
    private let cursor: EventSequence
    private let isForFinal: Bool
    private let shard: StreamShard
    private let tasks: LoopTasks
    private let arrival: EventLoopPromise<Void>

    init(
        job: JobID, tenant: TenantName, cursor: EventSequence, isForFinal: Bool, shard: StreamShard, tasks: LoopTasks
    ) {
        self.job = job
        self.tenant = tenant
        self.cursor = cursor
        self.isForFinal = isForFinal
        self.shard = shard
        self.tasks = tasks
        arrival = shard.loop.makePromise()
    }

    /// - Parameters:
    ///   - isDraining: whether all that waits has been woken by now; asked on the loop, where that is done.
    ///   - read: whether the log has what is waited for already.
    /// - Returns: how much of `limit` is left.
    func wait(
        upTo limit: Duration, isDraining: @escaping @Sendable () -> Bool,
        read: @escaping @Sendable () async throws -> Bool
    ) async throws -> Duration {
        let begin = shard.loop.now
        let number = try await shard.loop.submit {
            // A drain that came before this has woken nobody here, and one that comes after it finds the waiter.
            if isDraining() { self.arrival.succeed() }
            return self.shard.register(self, for: .job(self.job), of: self.tenant)
        }.get()
        let timer = shard.loop.scheduleTask(in: TimeAmount(limit)) { self.arrival.succeed() }
        // Unstructured, since nobody can end a read that hangs, and a wait is over when it is over.
        let reading = tasks.start { [arrival] in
            do { if try await read() { arrival.succeed() } } catch { arrival.fail(error) }
        }
        let result: Result<Void, any Error>
        do {
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
        reading.cancel()
        shard.loop.execute { self.shard.unregister(number, from: .job(self.job), of: self.tenant) }
        try result.get()
        return limit - .nanoseconds((shard.loop.now - begin).nanoseconds)
    }

    func take(_ run: FrameRun) {
        if run.isFinal || !isForFinal { gap(upTo: run.last, in: run.epoch) }
    }

    /// Whether one of them is the final event only the log knows, so the caller looks.
    func gap(upTo head: LogPlace, in epoch: Epoch) {
        if head > LogPlace(cursor) { end() }
    }

    func readAgain() { end() }

    func drain() { end() }

    func end() { arrival.succeed() }
}
