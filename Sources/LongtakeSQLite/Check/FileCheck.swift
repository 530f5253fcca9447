import GRDB
import LongtakeCore

/// Compares the rows of files and artifacts with the event logs and with each other.
struct FileCheck {
    func compare(into found: inout StorageInspection, _ db: Database) throws {
        guard try db.tableExists("artifact") else { return }
        let missing = try Row.fetchCursor(db, sql: Self.missingQuery)
        while let row = try missing.next() {
            found.add(
                Violation(.artifacts, job: row[0], "event \(row[1] as Int64) has no artifact with its name and hash"))
        }
        let untold = try Row.fetchCursor(db, sql: Self.untoldQuery)
        while let row = try untold.next() {
            found.add(Violation(.artifacts, job: row[0], "no event tells of the artifact “\(row[1] as String)”"))
        }
        let foreign = try Row.fetchCursor(db, sql: Self.foreignQuery)
        while let row = try foreign.next() {
            found.add(Violation(.files, job: row[0], "it has content of the tenant \(row[1] as String)"))
        }
        let totals = try Row.fetchCursor(db, sql: Self.totalsQuery)
        while let row = try totals.next() {
            found.add(
                Violation(.files, "the counter of tenant \(row[0] as String) differs by \(row[1] as Int64) bytes"))
        }
    }

    /// A member of the JSON of an event. Invalid JSON gives NULL instead of an error for the whole
    /// query.
    private static func member(_ name: String, of event: String) -> String {
        "CASE WHEN json_valid(\(event).payload) THEN json_extract(\(event).payload, '$.\(name)') END"
    }

    /// Events without their artifact. A hidden job has none. An intermediate artifact may have been
    /// removed.
    private static let missingQuery = """
        SELECT job.id, told.seq FROM event AS told JOIN job ON job.key = told.job
        LEFT JOIN artifact ON artifact.job = told.job AND artifact.name = \(member("name", of: "told"))
        WHERE told.type = 'artifact.created' AND job.tenant <> ''
            AND (artifact.seq IS NULL OR artifact.seq < told.seq
                OR artifact.seq = told.seq AND artifact.sha256 IS NOT \(member("sha256", of: "told")))
            AND NOT (artifact.seq IS NULL AND EXISTS (
                SELECT 1 FROM event AS later WHERE later.job = told.job AND later.seq >= told.seq
                    AND later.type = 'artifact.created' AND \(member("role", of: "later")) = 'intermediate'
                    AND \(member("name", of: "later")) = \(member("name", of: "told"))))
        """

    private static let untoldQuery = """
        SELECT job.id, artifact.name FROM artifact JOIN job ON job.key = artifact.job
        LEFT JOIN event ON event.job = artifact.job AND event.seq = artifact.seq
        WHERE event.type IS NOT 'artifact.created'
        """

    private static let foreignQuery = """
        SELECT job.id, artifact.tenant FROM artifact JOIN job ON job.key = artifact.job WHERE job.tenant <> artifact.tenant
        UNION ALL
        SELECT job.id, input_file.tenant FROM input_file JOIN job ON job.key = input_file.job
        WHERE job.tenant <> input_file.tenant
        """

    private static let totalsQuery = """
        SELECT tenant, sum(bytes) FROM (SELECT tenant, bytes FROM file_total UNION ALL SELECT tenant, -bytes FROM file)
        GROUP BY tenant HAVING sum(bytes) <> 0
        """
}
