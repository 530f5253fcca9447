import Dispatch
import NIOCore

/// An event loop that runs a task when the scheduler chooses it. Unchecked, because the simulation
/// has one thread.
final class SimulatedLoop: EventLoop, Strand, @unchecked Sendable {
    private struct Timer {
        let number: Int
        let deadline: NIODeadline
        let run: () -> Void
        let fail: (any Error) -> Void
    }

    private let time: VirtualTime
    private var tasks: [() -> Void] = []
    private var timers: [Timer] = []
    private var lastNumber = 0
    private var isClosed = false
    private(set) var inEventLoop = false

    init(time: VirtualTime) { self.time = time }

    var now: NIODeadline { time.deadline }

    // MARK: Called by the scheduler

    var isReady: Bool { !tasks.isEmpty }

    func step() {
        let task = tasks.removeFirst()
        inEventLoop = true
        task()
        inEventLoop = false
    }

    /// The time of the next timer.
    var nextDeadline: Duration? {
        timers.map(\.deadline).min().map { time.now + .nanoseconds(($0 - now).nanoseconds) }
    }

    func timeMoved() {
        let due = timers.filter { $0.deadline <= now }.sorted { ($0.deadline, $0.number) < ($1.deadline, $1.number) }
        guard !due.isEmpty else { return }
        timers.removeAll { $0.deadline <= now }
        tasks.append(contentsOf: due.map(\.run))
    }

    /// Stops the loop: its timers fail.
    func close() {
        isClosed = true
        let left = timers
        timers = []
        for timer in left { timer.fail(EventLoopError.shutdown) }
    }

    // MARK: The protocol of NIO

    func execute(_ task: @escaping @Sendable () -> Void) { tasks.append(task) }

    func scheduleTask<T>(deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        let promise = makePromise(of: T.self)
        lastNumber += 1
        let number = lastNumber
        let timer = Timer(number: number, deadline: deadline) {
            do { promise.assumeIsolated().succeed(try task()) } catch { promise.fail(error) }
        } fail: {
            promise.fail($0)
        }
        if isClosed {
            promise.fail(EventLoopError.shutdown)
        } else if deadline <= now {
            tasks.append(timer.run)
        } else {
            timers.append(timer)
        }
        return Scheduled(promise: promise) { self.timers.removeAll { $0.number == number } }
    }

    func scheduleTask<T>(in delay: TimeAmount, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        scheduleTask(deadline: now + delay, task)
    }

    func shutdownGracefully(queue: DispatchQueue, _ callback: @Sendable @escaping ((any Error)?) -> Void) {
        close()
        callback(nil)
    }
}
