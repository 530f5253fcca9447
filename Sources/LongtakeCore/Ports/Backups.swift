/// Copies of the whole journal, made while it is used, from which another one can begin.
public protocol Backups: Sendable {
    /// Begins a copy of what is durable at this moment, and returns before it is done.
    /// - Throws: ``BackupRunning`` while another is being made; ``BackupsUnanswered``.
    func begin() async throws -> Backup

    /// `nil` if there is no such backup.
    /// - Throws: ``BackupsUnanswered``.
    func backup(_ id: BackupID) async throws -> Backup?

    /// All that are there, the newest first.
    /// - Throws: ``BackupsUnanswered``.
    func backups() async throws -> [Backup]
}

/// The directory of the backups does not answer, because its disk hangs. Nothing was begun.
public struct BackupsUnanswered: Error, Hashable, Sendable {
    public init() {}
}

/// Only one backup is made at a time.
public struct BackupRunning: Error, Hashable, Sendable {
    public let id: BackupID

    public init(_ id: BackupID) { self.id = id }
}

/// The time when a backup was begun, such as `backup-20261121T114502123Z`; its file is named after it.
public struct BackupID: Hashable, Sendable, CustomStringConvertible {
    public let startedAt: Timestamp

    private static let prefix = "backup-"

    /// The backup that begins at `time`.
    public init(at time: Timestamp) { startedAt = time }

    /// Reads back exactly what ``description`` writes.
    public init?(_ text: some StringProtocol) {
        var time = Array(text.utf8.dropFirst(Self.prefix.utf8.count))
        guard text.hasPrefix(Self.prefix), time.count == 19 else { return nil }
        // From the end on, so that the places before stay.
        for (place, mark) in [(15, "."), (13, ":"), (11, ":"), (6, "-"), (4, "-")] {
            time.insert(contentsOf: mark.utf8, at: place)
        }
        guard let startedAt = Timestamp(rfc3339: String(decoding: time, as: UTF8.self)) else { return nil }
        self.startedAt = startedAt
    }

    public var description: String {
        Self.prefix + startedAt.description.filter { $0 != "-" && $0 != ":" && $0 != "." }
    }
}

/// One backup, being made or made.
public struct Backup: Hashable, Sendable {
    /// Only what is `done` can be restored.
    public enum State: String, Hashable, Sendable, Codable {
        case running, done, failed
    }

    public let id: BackupID
    public var state: State
    /// Where its file is, or will be.
    public let path: String
    /// Of the file; so far while it is being made.
    public var bytes: Int64
    public var startedAt: Timestamp { id.startedAt }
    public var finishedAt: Timestamp?
    /// Why it failed, for the operator.
    public var error: String?

    public init(
        id: BackupID, state: State, path: String, bytes: Int64, finishedAt: Timestamp? = nil, error: String? = nil
    ) {
        self.id = id
        self.state = state
        self.path = path
        self.bytes = bytes
        self.finishedAt = finishedAt
        self.error = error
    }
}
