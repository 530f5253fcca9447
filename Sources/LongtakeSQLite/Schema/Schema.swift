import GRDB

/// The tables, with one migration for each released schema. All tables are STRICT. Times are
/// milliseconds since 1970, and JSON is text.
///
/// `job.finished_at`, `stage.due_at`, `file.kept_until`, `file.check_at` and `artifact.ended_at`
/// are times of the steady clock (``WallClock/steady()``), because retention and retries count from
/// them. Clients see the `at` of the final event instead. All other times are wall times.
enum Schema {
    /// “Ltak” in ASCII, at byte 68 of the file. It identifies the file before anything in it is
    /// changed.
    static let applicationID: Int32 = 0x4c74_616b

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1-jobs-and-log") { try $0.execute(sql: first) }
        // Each migration checks its foreign keys as it runs. GRDB's default checks at the end, and
        // reads every row of the database.
        migrator.registerMigration("2-feed", foreignKeyChecks: .immediate) { try $0.execute(sql: feed) }
        migrator.registerMigration("3-pruning", foreignKeyChecks: .immediate) { try $0.execute(sql: pruning) }
        migrator.registerMigration("4-deletion", foreignKeyChecks: .immediate) { try $0.execute(sql: deletion) }
        migrator.registerMigration("5-pause", foreignKeyChecks: .immediate) { try $0.execute(sql: pause) }
        migrator.registerMigration("6-bare-idempotency-keys", foreignKeyChecks: .immediate) {
            try $0.execute(sql: bareKeys)
        }
        migrator.registerMigration("7-holders", foreignKeyChecks: .immediate) { try $0.execute(sql: holders) }
        migrator.registerMigration("8-files", foreignKeyChecks: .immediate) { try $0.execute(sql: files) }
        migrator.registerMigration("9-estimates", foreignKeyChecks: .immediate) { try $0.execute(sql: estimates) }
        migrator.registerMigration("10-crash-loop", foreignKeyChecks: .immediate) { try $0.execute(sql: crashLoop) }
        return migrator
    }

    /// Changes a quoted key into the key without quotes. Earlier versions stored the quotes, and a
    /// client that repeats such a request after the upgrade must still find its job. If the key
    /// also exists without quotes, the quoted one stays: its job remains reachable, and the bare
    /// key keeps its own job.
    ///
    /// Keys are visible ASCII, so a control character can temporarily replace an escaped backslash.
    private static let bareKeys = #"""
        UPDATE OR IGNORE idempotency
        SET key = replace(replace(replace(substr(key, 2, length(key) - 2), '\\', char(1)), '\"', '"'), char(1), '\')
        WHERE length(key) > 2 AND key GLOB '"*"'
        """#

    /// A running stage names its holder, which earlier versions did not store. 0 is the number of
    /// no boot, so the boot after the migration puts all of them back. From here on, a fence counts
    /// the claims of a stage.
    private static let holders = """
        ALTER TABLE stage RENAME COLUMN token TO holder;
        UPDATE stage SET holder = 0 WHERE state = 'running';
        ALTER TABLE stage ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE stage ADD COLUMN checkpoint_data TEXT;
        ALTER TABLE stage ADD COLUMN output TEXT;
        """

    /// The crashes in a row since the stage last wrote something (``CrashLoop``).
    private static let crashLoop = "ALTER TABLE stage ADD COLUMN silent_crashes INTEGER NOT NULL DEFAULT 0"

    /// An index for feed readers that filter by type. Progress events, which are most of the event
    /// log, are not in it and cost nothing.
    private static let feed = "CREATE INDEX event_by_type ON event (type, position) WHERE type <> 'stage.progress'"

    /// `event.position` and `job.key` are AUTOINCREMENT because they are cursors: a number that a
    /// client has seen is never used again.
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

    /// Whether the queue hands out no stages.
    private static let pause =
        "ALTER TABLE queue ADD COLUMN paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1))"

    /// For each tenant, the highest position of an event that it deleted with a job.
    private static let deletion = """
        CREATE TABLE deletion (tenant TEXT PRIMARY KEY, through INTEGER NOT NULL) STRICT, WITHOUT ROWID
        """

    /// Finished jobs in the order of pruning. The index is partial, so an active job costs nothing.
    private static let pruning = "CREATE INDEX job_by_finish ON job (finished_at) WHERE finished_at IS NOT NULL"
}
