import GRDB

/// The tables, one migration for each released shape. STRICT throughout; times are milliseconds since 1970, JSON is text.
///
/// `job.finished_at` and `stage.due_at` are on the steady clock (``WallClock/steady()``): retention and retries count from them. Clients are
/// told the `at` of the final event. All other times are what the wall clock said.
enum Schema {
    /// “Ltak” in ASCII, at byte 68 of the file: says that the file is ours before anything in it is touched.
    static let applicationID: Int32 = 0x4c74_616b

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1-jobs-and-log") { try $0.execute(sql: first) }
        // Checked as they go, since the check at the end, GRDB's default, reads every row of the database.
        migrator.registerMigration("2-feed", foreignKeyChecks: .immediate) { try $0.execute(sql: feed) }
        migrator.registerMigration("3-pruning", foreignKeyChecks: .immediate) { try $0.execute(sql: pruning) }
        migrator.registerMigration("4-deletion", foreignKeyChecks: .immediate) { try $0.execute(sql: deletion) }
        migrator.registerMigration("5-pause", foreignKeyChecks: .immediate) { try $0.execute(sql: pause) }
        migrator.registerMigration("6-bare-idempotency-keys", foreignKeyChecks: .immediate) {
            try $0.execute(sql: bareKeys)
        }
        migrator.registerMigration("7-holders", foreignKeyChecks: .immediate) { try $0.execute(sql: holders) }
        return migrator
    }

    /// A key in quotes is the key without them. Earlier versions stored the quotes, and a client that repeats such a request after the
    /// upgrade must still find its job. A key that also exists without quotes keeps them: its job stays the one that the bare key names.
    ///
    /// Keys are visible ASCII, so a control character can stand for an escaped backslash meanwhile.
    private static let bareKeys = #"""
        UPDATE OR IGNORE idempotency
        SET key = replace(replace(replace(substr(key, 2, length(key) - 2), '\\', char(1)), '\"', '"'), char(1), '\')
        WHERE length(key) > 2 AND key GLOB '"*"'
        """#

    /// A stage that runs names its holder, which no stage of an earlier version can: 0 is no boot, so the boot after
    /// the migration puts all of them back. A fence counts the claims of a stage, from here on.
    private static let holders = """
        ALTER TABLE stage RENAME COLUMN token TO holder;
        UPDATE stage SET holder = 0 WHERE state = 'running';
        ALTER TABLE stage ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE stage ADD COLUMN checkpoint_data TEXT;
        ALTER TABLE stage ADD COLUMN output TEXT;
        """

    /// What a reader of the feed can select by type without reading the log through. Reports, which are most of it, pay nothing.
    private static let feed = "CREATE INDEX event_by_type ON event (type, position) WHERE type <> 'stage.progress'"

    /// `event.position` and `job.key` are AUTOINCREMENT because they are cursors: a number that was shown is never given out again.
    private static let first = """
        CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

        CREATE TABLE job (
            key INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            tenant TEXT NOT NULL,
            pipeline TEXT NOT NULL,
            definition TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'canceled')),
            phase TEXT NOT NULL CHECK (phase IN ('queued', 'waiting', 'retrying', 'suspended', 'executing', 'canceling',
                'succeeded', 'failed', 'canceled')),
            stage_index INTEGER NOT NULL,
            priority INTEGER NOT NULL CHECK (priority BETWEEN -9 AND 9),
            input TEXT NOT NULL,
            output TEXT,
            error TEXT,
            metadata TEXT NOT NULL,
            simulation TEXT,
            retry_of TEXT,
            created_at INTEGER NOT NULL,
            started_at INTEGER,
            finished_at INTEGER,
            CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'canceled')))
        ) STRICT;
        CREATE INDEX job_by_tenant ON job (tenant, key);
        CREATE INDEX job_by_state ON job (tenant, state, key);
        CREATE INDEX job_by_pipeline ON job (tenant, pipeline, key);

        CREATE TABLE stage (
            job INTEGER NOT NULL REFERENCES job (key) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            queue TEXT NOT NULL,
            tenant TEXT NOT NULL,
            priority INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'canceled')),
            mark TEXT CHECK (mark IN ('restart', 'crash')),
            attempt INTEGER NOT NULL,
            token INTEGER,
            checkpoint REAL NOT NULL,
            due_at INTEGER CHECK (due_at IS NULL OR state = 'queued'),
            started_at INTEGER,
            finished_at INTEGER,
            PRIMARY KEY (job, number),
            CHECK ((token IS NOT NULL) = (state = 'running'))
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX stage_ready ON stage (queue, tenant, priority DESC, job) WHERE state = 'queued' AND due_at IS NULL;
        CREATE INDEX stage_delayed ON stage (queue, due_at) WHERE due_at IS NOT NULL;
        CREATE INDEX stage_running ON stage (job) WHERE state = 'running';

        CREATE TABLE event (
            position INTEGER PRIMARY KEY AUTOINCREMENT,
            job INTEGER NOT NULL REFERENCES job (key) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            type TEXT NOT NULL,
            at INTEGER NOT NULL,
            payload TEXT NOT NULL,
            UNIQUE (job, seq)
        ) STRICT;

        CREATE TABLE idempotency (
            tenant TEXT NOT NULL,
            key TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            job INTEGER NOT NULL REFERENCES job (key) ON DELETE CASCADE,
            PRIMARY KEY (tenant, key)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX idempotency_by_job ON idempotency (job);

        CREATE TABLE queue (name TEXT PRIMARY KEY, virtual INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE share (
            queue TEXT NOT NULL,
            tenant TEXT NOT NULL,
            served INTEGER NOT NULL,
            waiting INTEGER NOT NULL CHECK (waiting >= 0),
            PRIMARY KEY (queue, tenant)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX share_waiting ON share (queue, served, tenant) WHERE waiting > 0;
        """

    /// Whether nothing of a queue is handed out.
    private static let pause =
        "ALTER TABLE queue ADD COLUMN paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1))"

    /// The highest position of an event that each tenant has deleted with its job.
    private static let deletion = """
        CREATE TABLE deletion (tenant TEXT PRIMARY KEY, through INTEGER NOT NULL) STRICT, WITHOUT ROWID
        """

    /// Finished jobs in the order in which they are pruned. Partial, so that an active job costs nothing.
    private static let pruning = "CREATE INDEX job_by_finish ON job (finished_at) WHERE finished_at IS NOT NULL"
}
