/// The tables of what finished runs have taught about durations. They have no references to jobs,
/// because a history outlives them.
extension Schema {
    /// `ratios` are the bytes of ``RecentRatios``: at most 256 in `stage_history` and 800 in
    /// `estimate_accuracy`. `changed_at` is a time of the steady clock (``WallClock/steady()``).
    static let estimates = """
        CREATE TABLE stage_history (
            pipeline TEXT NOT NULL,
            stage TEXT NOT NULL,
            runs INTEGER NOT NULL,
            ratios BLOB NOT NULL,
            changed_at INTEGER NOT NULL,
            PRIMARY KEY (pipeline, stage)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE queue_history (
            queue TEXT PRIMARY KEY,
            runs INTEGER NOT NULL,
            service_seconds REAL NOT NULL,
            expected_turns REAL NOT NULL,
            actual_turns REAL NOT NULL,
            changed_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE estimate_accuracy (
            pipeline TEXT NOT NULL,
            measure TEXT NOT NULL,
            ratios BLOB NOT NULL,
            changed_at INTEGER NOT NULL,
            PRIMARY KEY (pipeline, measure)
        ) STRICT, WITHOUT ROWID;
        """
}
