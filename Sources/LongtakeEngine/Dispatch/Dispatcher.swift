import Logging
import LongtakeCore
import Synchronization

/// Feeds the workers of one queue. A thin shell: it carries out what ``DispatcherState`` decides.
///
/// Everything that happens arrives in one stream of inputs and is handled one after the other, so the state needs no lock. The claim,
/// the timers and the workers are child tasks that put what became of them into that stream.
final class Dispatcher: Sendable {
    private let queue: QueueName
    private let workers: Int
    private let store: any WorkStore
    private let clock: any Clock<Duration>
    private let wallClock: any WallClock
    private let worker: StageWorker
    private let logger: Logger
    private let inputs: AsyncStream<Input>
    private let send: AsyncStream<Input>.Continuation
    /// Whether a wake-up lies in the stream already; another would say nothing new, and commits may come by the thousand.
    private let isWakeSent = Atomic(false)

    private enum Input: Sendable {
        case wake
        case expect(Timestamp)
        case timerFired(Timestamp)
        case claimed(ClaimResult)
        case claimFailed(isFinal: Bool)
        case backoffEnded
        case workerFreed
        case stop
    }

    init(
        queue: QueueName, workers: Int, store: any WorkStore, clock: any Clock<Duration>, wallClock: any WallClock,
        worker: StageWorker, logger: Logger
    ) {
        self.queue = queue
        self.workers = workers
        self.store = store
        self.clock = clock
        self.wallClock = wallClock
        self.worker = worker
        var logger = logger
        logger[metadataKey: "queue"] = "\(queue)"
        self.logger = logger
        (inputs, send) = AsyncStream.makeStream()
    }

    /// Something can be claimed. Quick, and may be called from anywhere.
    func wake() {
        guard !isWakeSent.exchange(true, ordering: .acquiringAndReleasing) else { return }
        send.yield(.wake)
    }

    /// A stage can be claimed at `time`.
    func expect(at time: Timestamp) { send.yield(.expect(time)) }

    /// Claims nothing more; ``run()`` returns when the workers have ended.
    func stop() { send.yield(.stop) }

    func run() async {
        wake()
        await withDiscardingTaskGroup { group in
            var state = DispatcherState(workers: workers)
            for await input in inputs {
                for action in handle(input, &state, in: &group) {
                    perform(action, in: &group)
                }
            }
            // Only timers are left, which nobody waits for any more.
            group.cancelAll()
        }
    }

    private func handle(
        _ input: Input, _ state: inout DispatcherState, in group: inout DiscardingTaskGroup
    ) -> [DispatcherState.Action] {
        switch input {
        case .wake:
            isWakeSent.store(false, ordering: .releasing)
            return state.wake()
        case .expect(let time):
            return state.expect(at: time)
        case .timerFired(let time):
            return state.timerFired(time)
        case .claimed(let result):
            for claim in result.claims { employ(claim, in: &group) }
            return state.claimed(result.claims.count, nextDue: result.nextDue)
        case .claimFailed(let isFinal):
            return state.claimFailed(isFinal: isFinal)
        case .backoffEnded:
            return state.backoffEnded()
        case .workerFreed:
            return state.workerFreed()
        case .stop:
            return state.stop()
        }
    }

    private func perform(_ action: DispatcherState.Action, in group: inout DiscardingTaskGroup) {
        switch action {
        case .claim(let limit):
            group.addTask { await self.claim(limit) }
        case .setTimer(let time):
            // A millisecond at least, so that two clocks that disagree by less cannot make this spin.
            let milliseconds = max(1, time.millisecondsSince1970 - wallClock.steady().millisecondsSince1970)
            wake(after: .milliseconds(milliseconds), with: .timerFired(time), in: &group)
        case .backOff(let failures):
            wake(after: Backoff.persisting.delay(afterFailures: failures), with: .backoffEnded, in: &group)
        case .end:
            send.finish()
        }
    }

    private func claim(_ limit: Int) async {
        do {
            send.yield(.claimed(try await store.claim(queue: queue, limit: limit, for: store.holder)))
        } catch JournalError.notOwner, JournalError.gone {
            logger.error("claims end, because the holder of this process was declared gone")
            send.yield(.claimFailed(isFinal: true))
        } catch JournalError.closed, JournalError.outcomeUnknown {
            // The journal has said why; the process is about to end.
            logger.notice("claims end, since the journal has")
            send.yield(.claimFailed(isFinal: true))
        } catch {
            logger.warning("cannot claim, will try again", metadata: ["error": "\(error)"])
            send.yield(.claimFailed(isFinal: false))
        }
    }

    private func employ(_ claim: Claim, in group: inout DiscardingTaskGroup) {
        group.addTask {
            await self.worker.work(claim)
            self.send.yield(.workerFreed)
        }
    }

    private func wake(after wait: Duration, with input: Input, in group: inout DiscardingTaskGroup) {
        group.addTask {
            // Thrown only when the dispatcher has ended.
            guard (try? await self.clock.sleep(for: wait)) != nil else { return }
            self.send.yield(input)
        }
    }
}
