import Dispatch
import Glibc
import Synchronization

/// A thread for blocking calls, which would otherwise occupy the thread pool of all tests.
package enum BlockingThread {
    private final class Body {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    package static func run(_ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<Body>.fromOpaque(raw).takeRetainedValue().run() }
                return nil
            }, box.toOpaque())
        precondition(result == 0, "the system has a thread for a test")
        pthread_detach(thread)
    }
}

/// Runs a blocking test outside the thread pool of all tests.
///
/// It stays in its task, so that its issues belong to its test.
package func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withTaskExecutorPreference(ThreadExecutor()) { try await carryOut(body) }
}

/// Runs on the preferred executor of its task.
@concurrent private func carryOut<Value: Sendable>(_ body: @Sendable () throws -> Value) async throws -> Value {
    try body()
}

/// Runs an async function from a thread that may block, such as that of ``onOwnThread(_:)``.
package func blockingly<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) -> Value {
    let result = PendingValue<Value>()
    // Unstructured, because its caller is a thread, which cannot await it.
    Task {
        let value = await body()
        result.value.withLock { $0 = value }
        result.isSet.signal()
    }
    result.isSet.wait()
    guard let value = result.value.withLock({ $0 }) else { preconditionFailure("the task has set no value") }
    return value
}

/// The result of a task for which a thread waits.
private final class PendingValue<Value: Sendable>: Sendable {
    let value = Mutex<Value?>(nil)
    let isSet = DispatchSemaphore(value: 0)
}

/// Runs each job of a task on a new thread.
private final class ThreadExecutor: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        BlockingThread.run { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// A request that runs while its test does something else.
package final class BlockingAnswer: Sendable {
    private let answer = Mutex<Result<Exchange, any Error>?>(nil)

    package struct Missing: Error {}

    package init(_ body: @escaping @Sendable () throws -> Exchange) {
        BlockingThread.run {
            let result = Result(catching: body)
            self.answer.withLock { $0 = result }
        }
    }

    /// - Throws: the error of the request, or ``Missing`` if it does not end in time.
    package func wait(within seconds: Double = 40) throws -> Exchange {
        let deadline = Deadline(seconds)
        while !deadline.isOver {
            if let result = answer.withLock({ $0 }) { return try result.get() }
            poll(nil, 0, 5)
        }
        throw Missing()
    }
}
