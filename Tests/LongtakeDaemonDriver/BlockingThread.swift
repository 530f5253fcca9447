import Glibc

/// A thread for calls that block, which would starve the pool that all tests share.
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

/// Runs a blocking test away from the threads that all tests share.
///
/// Still within its task, so that what it records is recorded for its test.
package func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withTaskExecutorPreference(ThreadExecutor()) { try await carryOut(body) }
}

/// On the executor that its task prefers.
@concurrent private func carryOut<Value: Sendable>(_ body: @Sendable () throws -> Value) async throws -> Value {
    try body()
}

/// Runs each piece of a task on a thread made for it.
private final class ThreadExecutor: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        BlockingThread.run { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
