import Dispatch

/// Runs an actor on a queue of its own, because its calls wait for the disk.
final class LogExecutor: SerialExecutor {
    private let queue = DispatchQueue(label: "longtake.commands.log")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
