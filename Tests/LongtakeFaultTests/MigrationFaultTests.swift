import GRDB
import LongtakeDaemonDriver
import Testing

extension FaultTests.Processes {
    /// F14. If a migration commits each statement separately, the start after the kill fails
    /// because an index already exists (O6).
    @Test("F14: a migration that is killed before any of its statements has completed or has not begun", .tags(.slow))
    func killedMigration() async throws {
        try await Campaign("F14", rounds: 1).run { site in
            site.rest(600...900)
            _ = site.daemon.stop()
            var statements = 0
            repeat {
                try Self.downgrade(site.daemon.directory + "/data/longtake.db")
                statements += 1
                guard (try? site.daemon.start("CRASH_POINT=inMigration:\(statements)")) == nil else { break }
                site.injections += 1
                site.expectKilled()
                // The next start finds the old or the new schema, and completes the migration.
                try site.restart()
                _ = site.daemon.stop()
            } while statements < 200
            // In the last round the migration has fewer statements than that, so it completes.
            #expect(statements > 3)
        }
    }

    /// Changes the database back to the first released schema.
    private static func downgrade(_ path: String) throws {
        let database = try DatabaseQueue(path: path)
        try database.write { db in
            if try db.tableExists("artifact") {
                try db.execute(
                    sql: """
                        DROP TABLE file; DROP TABLE file_total; DROP TABLE input_file; DROP TABLE artifact;
                        DROP TABLE unused_content; DROP INDEX stage_wait; ALTER TABLE stage DROP COLUMN delay;
                        """)
            }
            if try db.columns(in: "stage").contains(where: { $0.name == "holder" }) {
                try db.execute(
                    sql: """
                        ALTER TABLE stage RENAME COLUMN holder TO token;
                        ALTER TABLE stage DROP COLUMN fence;
                        ALTER TABLE stage DROP COLUMN checkpoint_data;
                        ALTER TABLE stage DROP COLUMN output;
                        """)
            }
            if try db.columns(in: "stage").contains(where: { $0.name == "silent_crashes" }) {
                try db.execute(sql: "ALTER TABLE stage DROP COLUMN silent_crashes")
            }
            try db.execute(
                sql: """
                    DROP INDEX IF EXISTS event_by_type;
                    DROP INDEX IF EXISTS job_by_finish;
                    DROP TABLE IF EXISTS deletion;
                    DROP TABLE IF EXISTS stage_history;
                    DROP TABLE IF EXISTS queue_history;
                    DROP TABLE IF EXISTS estimate_accuracy;
                    DROP TABLE queue;
                    CREATE TABLE queue (name TEXT PRIMARY KEY, virtual INTEGER NOT NULL) STRICT, WITHOUT ROWID;
                    DELETE FROM grdb_migrations WHERE identifier <> '1-jobs-and-log';
                    """)
        }
        try database.close()
    }
}
