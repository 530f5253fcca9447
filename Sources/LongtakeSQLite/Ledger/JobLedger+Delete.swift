import GRDB
import LongtakeCore

/// Deleting a job hides it: one row changes, however long its log is. The ``Pruner`` takes the rows away, some in each transaction.
///
/// It is how pruning begins with a job that is too large for one transaction (``PruneCommand``), and so a boot after a crash goes on with it.
extension JobLedger {
    func delete(_ id: JobID, of tenant: TenantName, _ db: Database) throws {
        let found = try Row.fetchOne(
            try db.cachedStatement(sql: Self.deleteQuery), arguments: [id.description, tenant.description])
        try JobState.requireDeletable(found.map { JobState(rawValue: $0[1]) ?? .failed })
        guard let found else { throw JournalError.noSuchJob }
        let (key, position): (Int64, Int64?) = (found[0], found[2])
        try HiddenJob.hide(key, db)
        // A damaged database may have lost the job's events.
        if let position { try PruneRecord.raise(through: position, of: tenant, db) }
    }

    static let deleteQuery = """
        SELECT key, state, (SELECT position FROM event WHERE job = job.key ORDER BY seq DESC LIMIT 1)
        FROM job WHERE id = ? AND tenant = ?
        """
}
