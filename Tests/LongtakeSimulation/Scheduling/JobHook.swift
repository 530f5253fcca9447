import Glibc

/// Replaces Swift's thread pool: every job of every task and actor is queued here.
///
/// The runtime has one pointer for this per process (`swift_task_enqueueGlobal_hook`). Therefore
/// the simulation is a process of its own.
enum JobHook {
    private typealias Original = @convention(thin) (UnownedJob) -> Void
    private typealias Hook = @convention(thin) (UnownedJob, Original) -> Void

    /// The ready jobs, the oldest first. One thread enqueues and runs them.
    nonisolated(unsafe) static var ready: [UnownedJob] = []

    /// An executor that no asynchronous function requires. So a task that runs on it is suspended
    /// at every call of an asynchronous function.
    private final class ForeignExecutor: SerialExecutor {
        func enqueue(_ job: consuming ExecutorJob) { JobHook.ready.append(UnownedJob(job)) }
    }

    private static let foreignExecutor = ForeignExecutor()
    /// The executor of every task without an actor. In the runtime it has no identity and no
    /// witness table.
    private static let pool = unsafeBitCast((0, 0) as (UInt, UInt), to: UnownedSerialExecutor.self)

    /// - Throws: if the runtime has no such pointer.
    static func install() throws {
        guard let pointer = dlsym(dlopen(nil, RTLD_LAZY), "swift_task_enqueueGlobal_hook") else {
            throw SimulationError("the runtime of Swift has no swift_task_enqueueGlobal_hook")
        }
        pointer.assumingMemoryBound(to: Hook?.self).pointee = { job, _ in JobHook.ready.append(job) }
    }

    /// Runs a job until its task is suspended.
    /// - Parameter suspendsAtCalls: whether every call of an asynchronous function suspends it.
    static func run(_ index: Int, suspendsAtCalls: Bool) {
        ready.remove(at: index).runSynchronously(on: suspendsAtCalls ? foreignExecutor.asUnownedSerialExecutor() : pool)
    }
}

/// Why the simulation cannot run.
struct SimulationError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
