import Synchronization

/// Counts the bytes of uploads and downloads since the start.
final class TransferCounts: Sendable {
    struct Values: Hashable, Sendable {
        /// Bytes that were received and written, also those of uploads that failed later.
        var uploaded: Int64 = 0
        /// Bytes of files and artifacts that the kernel has taken.
        var downloaded: Int64 = 0
        var uploadsOpen = 0
    }

    private let state = Mutex(Values())

    var values: Values { state.withLock { $0 } }

    func uploadBegan() { state.withLock { $0.uploadsOpen += 1 } }

    func uploadEnded() { state.withLock { $0.uploadsOpen -= 1 } }

    func uploaded(_ bytes: Int) { state.withLock { $0.uploaded += Int64(bytes) } }

    func downloaded(_ bytes: Int) { state.withLock { $0.downloaded += Int64(bytes) } }
}

/// What the parts for files and commands measure, for `GET /metrics`.
public struct FileUsage: Hashable, Sendable {
    /// The bytes of stored content; `nil` if they are not known.
    public var storedBytes: Int64?
    /// Commands that run.
    public var commands: Int
    /// Supervisors that died before their command since the start.
    public var supervisorsLost: Int

    public init(storedBytes: Int64? = nil, commands: Int = 0, supervisorsLost: Int = 0) {
        self.storedBytes = storedBytes
        self.commands = commands
        self.supervisorsLost = supervisorsLost
    }
}
