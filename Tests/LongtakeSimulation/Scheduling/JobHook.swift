import Glibc

/// Takes the place of the pool of threads on which Swift runs what is ready: every job of every task and actor comes here instead.
///
/// The runtime has a pointer for this (`swift_task_enqueueGlobal_hook`). It is one for the whole process, which is why the simulation is a
/// process of its own.
enum JobHook {
    private typealias Original = @convention(thin) (UnownedJob) -> Void
    private typealias Hook = @convention(thin) (UnownedJob, Original) -> Void

    /// The jobs that are ready, the oldest first. One thread enqueues them and runs them.
    nonisolated(unsafe) static var ready: [UnownedJob] = []

    /// Is never the executor that an asynchronous function wants to be on, so a task that runs on it makes a pause at every call of one.
    private final class Stranger: SerialExecutor {
        func enqueue(_ job: consuming ExecutorJob) { JobHook.ready.append(UnownedJob(job)) }
    }

    private static let stranger = Stranger()
    /// The one that every task without an actor is on. In the runtime it has no identity and no table of witnesses.
    private static let pool = unsafeBitCast((0, 0) as (UInt, UInt), to: UnownedSerialExecutor.self)

    /// - Throws: where the runtime has no such pointer.
    static func install() throws {
        guard let pointer = dlsym(dlopen(nil, RTLD_LAZY), "swift_task_enqueueGlobal_hook") else {
            throw SimulationError("the runtime of Swift has no swift_task_enqueueGlobal_hook")
        }
        pointer.assumingMemoryBound(to: Hook?.self).pointee = { job, _ in JobHook.ready.append(job) }
    }

    /// Runs a job until its task waits for something.
    /// - Parameter isFine: as if its thread lost the processor at every call of an asynchronous function, too.
    static func run(_ index: Int, isFine: Bool) {
        ready.remove(at: index).runSynchronously(on: isFine ? stranger.asUnownedSerialExecutor() : pool)
    }
}

/// Why there was no simulation.
struct SimulationError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
