import FoundationEssentials
import GRDB
import LongtakeCore

/// Reads and writes the rows of ``EstimateHistory``, within the caller's transaction.
enum EstimateRows {
    private static let tables = ["stage_history", "queue_history", "estimate_accuracy"]

    /// Reads all rows. A row that cannot be read is left out, and the next run replaces it: it is a
    /// statistic, and no reason to refuse a start.
    /// - Parameter oldest: a time of the steady clock. Rows that changed before it are left out.
    static func read(
        _ db: Database, since oldest: Timestamp = Timestamp(millisecondsSince1970: .min)
    ) throws -> EstimateHistory {
        var history = EstimateHistory()
        let since: StatementArguments = [oldest.millisecondsSince1970]
        for row in try Row.fetchAll(
            db, sql: "SELECT pipeline, stage, runs, ratios FROM stage_history WHERE changed_at >= ?", arguments: since)
        {
            guard let pipeline = PipelineName(row[0]), let stage = StageName(row[1]),
                let ratios = RecentRatios(limit: StageHistory.keptRatios, bytes: row[3] as Data)
            else { continue }
            history.load(.stage(.init(pipeline, stage), StageHistory(runs: row[2], ratios: ratios)))
        }
        for row in try Row.fetchAll(
            db,
            sql: """
                SELECT queue, runs, service_seconds, expected_turns, actual_turns FROM queue_history
                WHERE changed_at >= ?
                """, arguments: since)
        {
            guard let queue = QueueName(row[0]) else { continue }
            history.load(
                .queue(
                    queue,
                    QueueHistory(runs: row[1], serviceSeconds: row[2], expectedTurns: row[3], actualTurns: row[4])))
        }
        for row in try Row.fetchAll(
            db, sql: "SELECT pipeline, measure, ratios FROM estimate_accuracy WHERE changed_at >= ?", arguments: since)
        {
            guard let pipeline = PipelineName(row[0]),
                let measure = EstimateHistory.AccuracyKey.Measure(name: row[1]),
                let ratios = RecentRatios(limit: EstimateLimits.ends, bytes: row[2] as Data)
            else { continue }
            history.load(.accuracy(.init(pipeline, measure), ratios))
        }
        return history
    }

    /// Deletes the rows that changed before a time of the steady clock.
    static func delete(before oldest: Timestamp, _ db: Database) throws {
        for table in tables {
            try db.execute(
                sql: "DELETE FROM \(table) WHERE changed_at < ?", arguments: [oldest.millisecondsSince1970])
        }
    }

    /// - Parameter moment: on the steady clock.
    static func write(_ row: EstimateHistory.Row, at moment: Timestamp, _ db: Database) throws {
        let changed = moment.millisecondsSince1970
        switch row {
        case .stage(let key, let history):
            try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO stage_history (pipeline, stage, runs, ratios, changed_at)
                    VALUES (?, ?, ?, ?, ?)
                    """
            ).execute(arguments: [
                key.pipeline.description, key.stage.description, history.runs, Data(history.ratios.bytes), changed,
            ])
        case .queue(let queue, let history):
            try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO queue_history
                        (queue, runs, service_seconds, expected_turns, actual_turns, changed_at)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """
            ).execute(arguments: [
                queue.description, history.runs, history.serviceSeconds, history.expectedTurns, history.actualTurns,
                changed,
            ])
        case .accuracy(let key, let ratios):
            try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO estimate_accuracy (pipeline, measure, ratios, changed_at)
                    VALUES (?, ?, ?, ?)
                    """
            ).execute(arguments: [key.pipeline.description, key.measure.name, Data(ratios.bytes), changed])
        }
    }
}
