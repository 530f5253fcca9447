import LongtakeCore
import Synchronization

/// The runs that are under way, shared by the workers, who begin and end them, and the commit observer and the drain, who stop them.
final class Executions: Sendable {
    typealias Run = Task<AttemptEnd, Never>

    private let index = Mutex(ExecutionIndex<Run>())

    /// Begins a run, or returns `nil` when it is to be stopped before it has begun.
    func begin(_ claim: Claim, _ body: @escaping @Sendable () async -> AttemptEnd) -> Run? {
        index.withLock { index in
            // Unstructured, so that stopping it ends the run alone, and never the writing down of how it ended. Made under the lock, so
            // that no stop can fall between looking and registering; making a task does not run it here.
            index.begin(claim) { Task { await body() } }
        }
    }

    func end(_ claim: Claim) {
        index.withLock { $0.end(claim) }
    }

    /// Stops the runs of jobs that are to be canceled.
    func observe(_ notice: WorkNotice) {
        guard !notice.canceling.isEmpty || !notice.ended.isEmpty else { return }
        let stopped = index.withLock { index in
            let runs = notice.canceling.flatMap { index.cancel($0) }
            for job in notice.ended { index.forget(job) }
            return runs
        }
        for run in stopped { run.cancel() }
    }

    /// Stops every run, and refuses new ones.
    func stopAll() {
        for run in index.withLock({ $0.stopAll() }) { run.cancel() }
    }
}
