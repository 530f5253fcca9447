/// Makes backups of the whole journal while it is in use.
public protocol Backups: Sendable {
    /// Begins a backup of the present durable state, and returns before it is complete.
    /// - Parameter includingFiles: whether the content of files and artifacts is copied too.
    /// - Throws: ``BackupRunning`` if another backup runs; ``BackupsUnanswered``.
    func begin(includingFiles: Bool) async throws -> Backup

    /// `nil` if there is no such backup.
    /// - Throws: ``BackupsUnanswered``.
    func backup(_ id: BackupID) async throws -> Backup?

    /// All backups, the newest first.
    /// - Throws: ``BackupsUnanswered``.
    func backups() async throws -> [Backup]
}

extension Backup {
    /// The directory with the content of files and artifacts, beside the file.
    public var filesPath: String { Self.filesPath(of: path) }

    /// The directory with the content of a backup that is the file at `path`.
    public static func filesPath(of path: String) -> String {
        (path.hasSuffix(".db") ? String(path.dropLast(3)) : path) + ".files"
    }
}

/// The backup directory does not answer, because its disk hangs. No backup was begun.
public struct BackupsUnanswered: Error, Hashable, Sendable {
    public init() {}
}

/// A backup already runs. Only one can run at a time.
public struct BackupRunning: Error, Hashable, Sendable {
    public let id: BackupID

    public init(_ id: BackupID) { self.id = id }
}

/// The id of a backup, such as `backup-20261121T114502123Z`. It contains the time at which the
/// backup began, and it is the name of its file without the extension.
public struct BackupID: Hashable, Sendable, CustomStringConvertible {
    public let startedAt: Timestamp

    private static let prefix = "backup-"

    /// The id of a backup that begins at `time`.
    public init(at time: Timestamp) { startedAt = time }

    /// Parses exactly the form that ``description`` writes.
    public init?(_ text: some StringProtocol) {
        var time = Array(text.utf8.dropFirst(Self.prefix.utf8.count))
        guard text.hasPrefix(Self.prefix), time.count == 19 else { return nil }
        // In descending order, because an insertion moves all bytes after it.
        for (offset, mark) in [(15, "."), (13, ":"), (11, ":"), (6, "-"), (4, "-")] {
            time.insert(contentsOf: mark.utf8, at: offset)
        }
        guard let startedAt = Timestamp(rfc3339: String(decoding: time, as: UTF8.self)) else { return nil }
        self.startedAt = startedAt
    }

    public var description: String {
        Self.prefix + startedAt.description.filter { $0 != "-" && $0 != ":" && $0 != "." }
    }
}

/// A backup that runs or has ended.
public struct Backup: Hashable, Sendable {
    /// Only a backup that is `done` can be restored.
    public enum State: String, Hashable, Sendable, Codable {
        case running, done, failed
    }

    public let id: BackupID
    public var state: State
    /// The path of its file.
    public let path: String
    /// Whether the content of files and artifacts is copied too, to ``filesPath``.
    public let includesFiles: Bool
    /// The size of the file; while the backup runs, the size so far.
    public var bytes: Int64
    public var startedAt: Timestamp { id.startedAt }
    public var finishedAt: Timestamp?
    /// Why it failed, for the operator.
    public var error: String?

    public init(
        id: BackupID, state: State, path: String, includesFiles: Bool = false, bytes: Int64,
        finishedAt: Timestamp? = nil, error: String? = nil
    ) {
        self.id = id
        self.state = state
        self.path = path
        self.includesFiles = includesFiles
        self.bytes = bytes
        self.finishedAt = finishedAt
        self.error = error
    }
}

// MARK: - The content of backups

/// Copies the content that the rows of a backup refer to. Calls block their thread.
public protocol ContentBackup: Sendable {
    /// From here on no content is removed. Each call needs one ``endKeeping()``.
    func beginKeeping()

    /// Content may be removed again.
    func endKeeping()

    /// Copies the content into a directory, which is created, and syncs it.
    /// - Parameter mayGoOn: asked for each content. If it says no, the call throws
    ///   `CancellationError`.
    func copy(_ rows: any ContentRows, to directory: String, while mayGoOn: () -> Bool) throws -> ContentBackupResult
}

/// Puts the content of a backup into a data directory. Calls block their thread.
public protocol ContentRestore {
    /// Adds the content that the rows refer to, and leaves other content alone.
    func bringBack(_ rows: any ContentRows) throws -> ContentBackupResult

    /// Keeps the content of the database that is about to be replaced.
    func keepReplaced() throws

    /// Moves what ``keepReplaced()`` has kept beside the replaced database.
    func moveReplaced(to directory: String) throws
}

/// How much content was copied.
public struct ContentBackupResult: Hashable, Sendable {
    /// The content that is there now.
    public var files = 0
    /// Its bytes.
    public var bytes: Int64 = 0
    /// Content that rows refer to and that could not be copied, because it does not exist or has
    /// another size.
    public var missing = 0

    public init() {}
}
