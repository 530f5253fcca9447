import Logging
import LongtakeCore
import Synchronization

/// Tells the operator which jobs were set aside because their rows cannot be read, and counts them since the start.
final class SetAsideJobs: Sendable {
    private let logger: Logger?
    private let total = Atomic(0)

    /// One job that was set aside.
    struct Job: Hashable, Sendable {
        /// As it is stored, which may be no id.
        let id: String
        /// Of its row, `job.key`.
        let key: Int64
        let reason: String
    }

    /// - Parameter logger: `nil` for none.
    init(logger: Logger? = nil) { self.logger = logger }

    var count: Int { total.load(ordering: .relaxed) }

    /// Called when it is durable.
    func tell(_ jobs: [Job]) {
        guard !jobs.isEmpty else { return }
        total.add(jobs.count, ordering: .relaxed)
        for job in jobs {
            logger?.error(
                "a job cannot be read and was set aside; it failed with the code unreadable, and its row keeps its bytes",
                metadata: ["job": "\(job.id)", "key": "\(job.key)", "error": "\(job.reason)"])
        }
    }

    /// A count was wrong and is mended.
    func tell(mended what: String) {
        logger?.error("a count in the database was wrong and is mended", metadata: ["count": "\(what)"])
    }
}
