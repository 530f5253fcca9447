import Logging
import LongtakeCore
import Synchronization

/// Claims stages from one queue and runs its workers. ``DispatcherState`` decides, and the
/// dispatcher performs its actions.
///
/// All inputs arrive in one stream and are handled one at a time, so the state needs no lock. The
/// claim, the timers and the workers are child tasks, which send their results to that stream.
final class Dispatcher: Sendable {
    private let queue: QueueName
    private let workers: Int
    private let store: any WorkStore
    private let mayClaim: @Sendable () -> Bool
    private let clock: any Clock<Duration>
    private let wallClock: any WallClock
    private let worker: StageWorker
    private let logger: Logger
    private let inputs: AsyncStream<Input>
    private let send: AsyncStream<Input>.Continuation
    /// Whether the stream already contains an unhandled wake-up. A second one is not sent, because
    /// thousands of commits may arrive before the first is handled.
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

    /// - Parameter mayClaim: asked before each claim. If it says no, the dispatcher asks again
    ///   after the delays that follow a failed claim.
    init(
        queue: QueueName, workers: Int, store: any WorkStore, mayClaim: @escaping @Sendable () -> Bool,
        clock: any Clock<Duration>, wallClock: any WallClock, worker: StageWorker, logger: Logger
    ) {
        self.queue = queue
        self.workers = workers
        self.store = store
        self.mayClaim = mayClaim
        self.clock = clock
        self.wallClock = wallClock
        self.worker = worker
        var logger = logger
        logger[metadataKey: "queue"] = "\(queue)"
        self.logger = logger
        (inputs, send) = AsyncStream.makeStream()
    }

    /// Says that a stage can be claimed. It never waits, and any thread may call it.
    func wake() {
        guard !isWakeSent.exchange(true, ordering: .acquiringAndReleasing) else { return }
        send.yield(.wake)
    }

    /// Says that a stage can be claimed at `time`.
    func expect(at time: Timestamp) { send.yield(.expect(time)) }

    /// Makes the dispatcher claim no more stages. ``run()`` returns when the workers have ended.
    func stop() { send.yield(.stop) }

    /// Claims and runs stages until ``stop()``, or until the journal is closed.
    func run() async {
        wake()
        await withDiscardingTaskGroup { group in
            var state = DispatcherState(workers: workers)
            for await input in inputs {
                for action in handle(input, &state, in: &group) {
                    perform(action, in: &group)
                }
            }
            // Only timers still run, and no input is read any more.
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
            for claim in result.claims { startWorker(claim, in: &group) }
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
            // At least one millisecond. Otherwise two clocks that differ by less than that could
            // make this spin.
            let milliseconds = max(1, time.millisecondsSince1970 - wallClock.steady().millisecondsSince1970)
            wake(after: .milliseconds(milliseconds), with: .timerFired(time), in: &group)
        case .backOff(let failures):
            wake(after: Backoff.persisting.delay(afterFailures: failures), with: .backoffEnded, in: &group)
        case .end:
            send.finish()
        }
    }

    private func claim(_ limit: Int) async {
        // The gate has logged its reason.
        guard mayClaim() else {
            send.yield(.claimFailed(isFinal: false))
            return
        }
        do {
            send.yield(.claimed(try await store.claim(queue: queue, limit: limit, for: store.holder)))
        } catch JournalError.notOwner, JournalError.gone {
            logger.error("stopped claiming stages, because this process was declared gone; restart it")
            send.yield(.claimFailed(isFinal: true))
        } catch JournalError.closed, JournalError.outcomeUnknown {
            // The journal has logged the reason, and the process is about to exit.
            logger.notice("stopped claiming stages, because the journal is closed")
            send.yield(.claimFailed(isFinal: true))
        } catch {
            logger.warning("cannot claim stages; will retry", metadata: ["error": "\(error)"])
            send.yield(.claimFailed(isFinal: false))
        }
    }

    private func startWorker(_ claim: Claim, in group: inout DiscardingTaskGroup) {
        group.addTask {
            await self.worker.work(claim)
            self.send.yield(.workerFreed)
        }
    }

    private func wake(after wait: Duration, with input: Input, in group: inout DiscardingTaskGroup) {
        group.addTask {
            // The sleep throws only after the dispatcher has ended.
            guard (try? await self.clock.sleep(for: wait)) != nil else { return }
            self.send.yield(input)
        }
    }
}
