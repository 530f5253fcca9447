import LongtakeCore

/// The tables of uploaded files, artifacts, and the jobs that refer to them. They contain no
/// content, only its hash: the content is in a ``FileStore``.
extension Schema {
    /// The delay in milliseconds that a stage without a stored delay waits at most. It is part of
    /// an index, so it never changes.
    static let earlierDelay: Int64 = 72_000

    /// `stage_wait` finds the waits that begin in the future.
    ///
    /// `unused_content` lists content whose last row may have been removed. Triggers fill it, so no
    /// statement that removes a row can forget it, a cascade included. `checks` counts how often
    /// somebody began to check the content. A further removal sets it to 0, so the removal of a row
    /// during a check is not lost. Content with fewer checks goes first, so content that cannot be
    /// removed does not block the rest.
    ///
    /// `file.check_at` is the time at which the file may be removed. It is `NULL` while the file
    /// only stays because a job refers to it. `artifact.ended_at` is the end of the job, and set in
    /// intermediate artifacts only.
    static let files = """
        ALTER TABLE stage ADD COLUMN delay INTEGER;
        CREATE INDEX stage_wait ON stage (queue, due_at - coalesce(delay, \(earlierDelay))) WHERE due_at IS NOT NULL;

        CREATE TABLE file (
            tenant TEXT NOT NULL,
            sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
            bytes INTEGER NOT NULL CHECK (bytes >= 0),
            type TEXT NOT NULL,
            name TEXT,
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            kept_until INTEGER NOT NULL,
            check_at INTEGER,
            PRIMARY KEY (tenant, sha256)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX file_by_age ON file (tenant, created_at, sha256);
        CREATE INDEX file_to_check ON file (check_at) WHERE check_at IS NOT NULL;

        CREATE TABLE file_total (tenant TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;

        CREATE TABLE input_file (
            job INTEGER NOT NULL REFERENCES job (key) ON DELETE CASCADE,
            field TEXT NOT NULL,
            source TEXT NOT NULL,
            tenant TEXT NOT NULL,
            sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
            bytes INTEGER NOT NULL CHECK (bytes >= 0),
            type TEXT NOT NULL,
            PRIMARY KEY (job, field)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX input_file_by_content ON input_file (tenant, sha256, bytes);

        CREATE TABLE artifact (
            job INTEGER NOT NULL REFERENCES job (key) ON DELETE CASCADE,
            name TEXT NOT NULL,
            stage INTEGER NOT NULL,
            tenant TEXT NOT NULL,
            sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
            bytes INTEGER NOT NULL CHECK (bytes >= 0),
            type TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('result', 'preview', 'intermediate')),
            seq INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            ended_at INTEGER,
            PRIMARY KEY (job, name)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX artifact_by_content ON artifact (tenant, sha256, bytes);
        CREATE INDEX artifact_ended ON artifact (ended_at) WHERE ended_at IS NOT NULL;

        CREATE TABLE unused_content (
            tenant TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            checks INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (tenant, sha256)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX unused_by_checks ON unused_content (checks);

        CREATE TRIGGER file_added AFTER INSERT ON file BEGIN
            INSERT INTO file_total (tenant, bytes) VALUES (NEW.tenant, NEW.bytes)
                ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + NEW.bytes;
        END;
        CREATE TRIGGER file_removed AFTER DELETE ON file BEGIN
            UPDATE file_total SET bytes = bytes - OLD.bytes WHERE tenant = OLD.tenant;
            \(mayBeUnused)
        END;
        CREATE TRIGGER input_file_removed AFTER DELETE ON input_file BEGIN
            UPDATE file SET check_at = kept_until
                WHERE tenant = OLD.tenant AND sha256 = OLD.sha256 AND check_at IS NULL;
            \(mayBeUnused)
        END;
        CREATE TRIGGER artifact_removed AFTER DELETE ON artifact BEGIN
            \(mayBeUnused)
        END;
        CREATE TRIGGER artifact_replaced AFTER UPDATE OF sha256 ON artifact WHEN OLD.sha256 <> NEW.sha256 BEGIN
            \(mayBeUnused)
        END;
        """

    private static let mayBeUnused = """
        INSERT INTO unused_content (tenant, sha256) VALUES (OLD.tenant, OLD.sha256)
            ON CONFLICT (tenant, sha256) DO UPDATE SET checks = 0;
        """
}
