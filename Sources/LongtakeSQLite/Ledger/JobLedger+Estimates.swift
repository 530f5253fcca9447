import GRDB
import LongtakeCore

/// What finished runs teach about durations, within the writer's transactions.
extension JobLedger {
    /// Reads the history, and counts what waits and what runs. Called before the stages of earlier
    /// boots are put back.
    func loadEstimates(_ workers: [QueueName: Int], _ db: Database) throws {
        var estimates = EstimateLedger(try EstimateRows.read(db, since: oldestEstimate), workers: workers)
        for queue in try QueueReader().queues(of: nil, db) {
            estimates.load(queue.name, waiting: 0, running: queue.running, isPaused: queue.isPaused)
        }
        // `share.waiting`, which the reader of queues uses, may be wrong until a claim corrects it.
        for (queue, count) in waiting.totals {
            estimates.load(queue, waiting: count, running: 0, isPaused: paused.contains(queue))
        }
        self.estimates = estimates
        board?.publish(estimates)
    }

    /// Deletes the rows that no run has changed for a long time, such as those of pipelines that
    /// were removed. Once per boot is enough, because pipelines change only at a start.
    func deleteOldEstimates(_ db: Database) throws {
        if estimates != nil { try EstimateRows.delete(before: oldestEstimate, db) }
    }

    private var oldestEstimate: Timestamp { clock.steady().advanced(by: .zero - SQLiteLimits.estimateAge) }

    /// Writes the rows that the transaction has changed.
    func writeEstimates(_ db: Database) throws {
        for row in estimates?.takeUnwritten() ?? [] { try EstimateRows.write(row, at: clock.steady(), db) }
    }

    /// The transaction was committed, so readers may see its estimates.
    func keepEstimates() {
        guard estimates?.keep() == true, let estimates else { return }
        board?.publish(estimates)
    }

    /// The estimate of a job that this transaction has created.
    func estimate(_ job: Job, of pipeline: Pipeline) -> JobEstimate? {
        guard let estimates, let outlook = JobOutlook(job, of: pipeline, at: clock.now()) else { return nil }
        return Estimator(estimates.history, queues: estimates.loads).estimate(outlook)
    }
}
