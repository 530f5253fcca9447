import GRDB
import LongtakeCore
import LongtakeTesting

@testable import LongtakeSQLite

extension SQLiteJournal {
    /// Submits a job and finishes it, with a number of reports: its event log has 7 events more
    /// than that.
    func finishJob(_ number: Int, reports: Int = 0, key: String? = nil, prompt: String = "a boat") async throws {
        _ = try await submit(Samples.submission(number, key: key, prompt: prompt))
        for queue in [Samples.cpu, Samples.gpu] {
            guard let claim = try await claim(queue: queue, limit: 1).claims.first else { return }
            if queue == Samples.cpu {
                for report in 0..<reports {
                    let share = Progress(Double(report) / Double(reports))
                    _ = try await self.report(StageReport(progress: share, message: "on the way"), for: claim)
                }
            }
            _ = try await finish(claim, with: .succeeded(output: nil))
        }
    }

    /// Runs one transaction of pruning.
    func prune(
        _ retention: Retention, at time: Timestamp, rows: Int = SQLiteLimits.rowsPerPrune,
        freePagesKept: Int64 = SQLiteLimits.freePagesKept
    ) async throws -> PruneOutcome {
        let command = PruneCommand(retention: retention, time: time, rows: rows, freePagesKept: freePagesKept)
        return try await maintain { try command.run($0) }
    }

    func count(_ sql: String) throws -> Int {
        try inspectWriter { try Int.fetchOne($0, sql: sql) } ?? 0
    }
}
