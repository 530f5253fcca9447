import GRDB

/// Plain SQLite at the same work: rows as wide as an event, appended through a prepared statement, so many in a commit.
struct BareRows {
    let rowsPerCommit: Int
    /// How many tables get a row for each piece of work. A submission writes a job, its stage, its first event and its share.
    let tables: Int

    func rate(in directory: String, for time: Duration) throws -> Double {
        let pool = try DatabasePool(path: directory + "/bare.db")
        let payload =
            #"{"progress":0.31,"stage":"stage-4","index":4,"of":8,"stage_progress":0.42,"message":"frame 101 of 192"}"#
        return try pool.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA synchronous = FULL")
            for table in 0..<tables {
                try db.execute(
                    sql: """
                        CREATE TABLE bare\(table) (position INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER, seq INTEGER, type TEXT,
                            at INTEGER, data TEXT, UNIQUE (job, seq)) STRICT
                        """)
            }
            let inserts = try (0..<tables).map {
                try db.makeStatement(
                    sql: "INSERT INTO bare\($0) (job, seq, type, at, data) VALUES (?, ?, 'stage.progress', ?, ?)")
            }
            var rows = 0
            let begin = ContinuousClock.now
            while ContinuousClock.now - begin < time {
                try db.inTransaction(.immediate) {
                    for _ in 0..<rowsPerCommit {
                        for insert in inserts {
                            try insert.execute(arguments: [
                                rows % 1_000, rows / 1_000, 1_795_000_000_000 + rows, payload,
                            ])
                        }
                        rows += 1
                    }
                    return .commit
                }
            }
            return Double(rows) / ((ContinuousClock.now - begin) / .seconds(1))
        }
    }
}
