import GRDB

/// The statements that write, compiled once for the writer's connection.
final class LedgerStatements {
    let insertJob: PreparedStatement
    let insertStage: PreparedStatement
    let insertEvent: PreparedStatement
    let insertKey: PreparedStatement
    let updateJob: PreparedStatement
    let updateStage: PreparedStatement
    let completeStage: PreparedStatement
    let makeStageDue: PreparedStatement
    let updateCheckpoint: PreparedStatement
    let forgetCrashes: PreparedStatement
    let updateShare: PreparedStatement
    let insertShare: PreparedStatement
    let insertArtifact: PreparedStatement
    let updateProgress: PreparedStatement
    let endIntermediates: PreparedStatement
    let insertInputFile: PreparedStatement

    init(_ db: Database) throws {
        insertJob = try PreparedStatement(
            """
            INSERT INTO job (id, tenant, pipeline, definition, state, phase, stage_index, priority, input, metadata, simulation,
                retry_of, created_at)
            VALUES (?, ?, ?, ?, 'queued', 'queued', 0, ?, ?, ?, ?, ?, ?)
            """, db)
        insertStage = try PreparedStatement(
            """
            INSERT INTO stage (job, number, queue, tenant, priority, state, attempt, checkpoint)
            VALUES (?, ?, ?, ?, ?, 'queued', 0, 0)
            """, db)
        insertEvent = try PreparedStatement(
            "INSERT INTO event (job, seq, type, at, payload) VALUES (?, ?, ?, ?, ?)", db)
        insertKey = try PreparedStatement(
            "INSERT INTO idempotency (tenant, key, fingerprint, job) VALUES (?, ?, ?, ?)", db)
        updateJob = try PreparedStatement(
            """
            UPDATE job SET state = ?, phase = ?, stage_index = ?, output = ?, error = ?, started_at = ?, finished_at = ?
            WHERE key = ?
            """, db)
        updateStage = try PreparedStatement(
            """
            UPDATE stage SET state = ?, mark = ?, attempt = ?, holder = ?, fence = ?, checkpoint = ?,
                checkpoint_data = iif(?, NULL, checkpoint_data), due_at = ?, delay = ?, started_at = ?, finished_at = ?,
                silent_crashes = ?
            WHERE job = ? AND number = ?
            """, db)
        completeStage = try PreparedStatement(
            """
            UPDATE stage SET state = 'succeeded', holder = NULL, checkpoint = 1, checkpoint_data = NULL, output = ?,
                finished_at = ?
            WHERE job = ? AND number = ?
            """, db)
        makeStageDue = try PreparedStatement(
            "UPDATE stage SET due_at = NULL, delay = NULL WHERE job = ? AND number = ?", db)
        updateCheckpoint = try PreparedStatement(
            "UPDATE stage SET checkpoint_data = ? WHERE job = ? AND number = ?", db)
        forgetCrashes = try PreparedStatement("UPDATE stage SET silent_crashes = 0 WHERE job = ? AND number = ?", db)
        updateShare = try PreparedStatement(
            "UPDATE share SET waiting = waiting + ? WHERE queue = ? AND tenant = ?", db)
        insertShare = try PreparedStatement(
            "INSERT INTO share (queue, tenant, served, waiting) VALUES (?, ?, 0, ?)", db)
        insertArtifact = try PreparedStatement(
            """
            INSERT INTO artifact (job, name, stage, tenant, sha256, bytes, type, role, seq, created_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (job, name) DO UPDATE SET sha256 = excluded.sha256, bytes = excluded.bytes, type = excluded.type,
                role = excluded.role, seq = excluded.seq, created_at = excluded.created_at
            """, db)
        updateProgress = try PreparedStatement("UPDATE stage SET checkpoint = ? WHERE job = ? AND number = ?", db)
        endIntermediates = try PreparedStatement(
            "UPDATE artifact SET ended_at = ? WHERE job = ? AND role = 'intermediate'", db)
        insertInputFile = try PreparedStatement(
            "INSERT INTO input_file (job, field, source, tenant, sha256, bytes, type) VALUES (?, ?, ?, ?, ?, ?, ?)", db)
    }
}
