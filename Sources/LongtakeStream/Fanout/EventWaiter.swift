import LongtakeCore
import NIOCore

/// Waits on an event loop for the next or the final event of a job, on behalf of a request.
///
/// It is registered before its caller reads the event log again. So an event that is committed in
/// between ends the wait.
final class EventWaiter: LogListener, Sendable {
    private let job: JobID
    private let tenant: TenantName
    private let cursor: EventSequence
    private let isForFinal: Bool
    private let shard: StreamShard
    private let tasks: LoopTasks
    private let completion: EventLoopPromise<Void>

    init(
        job: JobID, tenant: TenantName, cursor: EventSequence, isForFinal: Bool, shard: StreamShard, tasks: LoopTasks
    ) {
        self.job = job
        self.tenant = tenant
        self.cursor = cursor
        self.isForFinal = isForFinal
        self.shard = shard
        self.tasks = tasks
        completion = shard.loop.makePromise()
    }

    /// - Parameters:
    ///   - isDraining: whether the daemon has already ended all waits. It is called on the loop,
    ///     where that happens.
    ///   - read: whether the event log already has the event.
    /// - Returns: the rest of `limit`.
    func wait(
        upTo limit: Duration, isDraining: @escaping @Sendable () -> Bool,
        read: @escaping @Sendable () async throws -> Bool
    ) async throws -> Duration {
        let start = shard.loop.now
        let number = try await shard.loop.submit {
            // A drain before this did not see the waiter. A drain after this finds it.
            if isDraining() { self.completion.succeed() }
            return self.shard.register(self, for: .job(self.job), of: self.tenant)
        }.get()
        let timer = shard.loop.scheduleTask(in: TimeAmount(limit)) { self.completion.succeed() }
        // Unstructured, because a read may hang, and the wait must end in time anyway.
        let reading = tasks.start { [completion] in
            do { if try await read() { completion.succeed() } } catch { completion.fail(error) }
        }
        let result: Result<Void, any Error>
        do {
            try await withTaskCancellationHandler {
                try await completion.futureResult.get()
            } onCancel: {
                completion.fail(CancellationError())
            }
            result = .success(())
        } catch {
            completion.fail(error)
            result = .failure(error)
        }
        timer.cancel()
        reading.cancel()
        shard.loop.execute { self.shard.unregister(number, from: .job(self.job), of: self.tenant) }
        try result.get()
        return limit - .nanoseconds((shard.loop.now - start).nanoseconds)
    }

    func receive(_ run: FrameRun) {
        if run.isFinal || !isForFinal { gap(upTo: run.last, in: run.epoch) }
    }

    /// Only the event log says whether the gap contains the final event, so the caller reads it.
    func gap(upTo head: LogOffset, in epoch: Epoch) {
        if head > LogOffset(cursor) { end() }
    }

    func readAgain() { end() }

    func drain() { end() }

    func end() { completion.succeed() }
}
