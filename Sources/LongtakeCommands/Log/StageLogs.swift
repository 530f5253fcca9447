import Glibc
public import Logging
public import LongtakeCore

/// The logs of stages: what their programs wrote, as lines of UTF-8. They are files below one
/// directory, bounded and not synced. No log file stays open between two calls.
///
/// An offset is the number of bytes that the present attempt of the stage has written before. A new
/// attempt begins again at 0, and removes the log of the one before.
public actor StageLogs {
    /// The limit of the log of one stage, in bytes.
    public static let bytesPerStage: Int64 = 1 << 20

    private struct Key: Hashable {
        let job: JobID
        let stage: StageName
    }

    private let directory: String
    private let limit: Int64
    private let logger: Logger
    private let executor = LogExecutor()
    private var writing: [Key: LogSegments] = [:]
    /// The logs of which a write has failed, so that the operator reads it once.
    private var failed: Set<Key> = []
    private var observers: [Key: [Int: AsyncStream<Void>.Continuation]] = [:]
    private var nextObserver = 0

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Makes the logs below a directory, which is made when the first log begins.
    /// - Parameter limit: the bytes of the log of one stage.
    public init(directory: String, limit: Int64 = bytesPerStage, logger: Logger) {
        self.directory = directory
        self.limit = limit
        self.logger = logger
    }

    /// A part of the log of a stage.
    public struct Text: Hashable, Sendable {
        /// UTF-8. It can begin or end within a character or a line.
        public let bytes: [UInt8]
        /// The offset of the first of ``bytes``. It is larger than the requested one if older text
        /// was dropped, and smaller if the log is shorter than that.
        public let offset: Int64
        /// The offset of the first byte that is kept, and the number of all bytes so far.
        public let kept: Range<Int64>
        public let attempt: Int
        /// Whether no program writes to the log now. Another attempt may follow.
        public let isEnded: Bool
    }

    // MARK: Writing

    /// An attempt begins, or is resumed. If it is resumed, its log goes on.
    public func begin(job: JobID, stage: StageName, attempt: Int) {
        let key = Key(job: job, stage: stage)
        for path in [directory, "\(directory)/\(job)", path(of: key)] { mkdir(path, 0o700) }
        writing[key] = LogSegments(directory: path(of: key), attempt: attempt, limit: limit)
        failed.remove(key)
        notify(key)
    }

    /// Appends whole lines. If the disk fails, they are lost, and the daemon's log says so once.
    public func append(_ text: [UInt8], job: JobID, stage: StageName) {
        let key = Key(job: job, stage: stage)
        guard writing[key] != nil else { return }
        do {
            try writing[key]?.append(text)
        } catch {
            if failed.insert(key).inserted {
                logger.warning(
                    "lines of the log of a stage were lost",
                    metadata: ["job": "\(job)", "stage": "\(stage)", "error": "\(error)"])
            }
        }
        notify(key)
    }

    /// The attempt has ended or is interrupted. Has no effect if another attempt has begun.
    public func end(job: JobID, stage: StageName, attempt: Int) {
        let key = Key(job: job, stage: stage)
        if let current = writing[key]?.attempt, current != attempt { return }
        close(key)
    }

    private func close(_ key: Key) {
        writing[key] = nil
        failed.remove(key)
        for observer in (observers.removeValue(forKey: key) ?? [:]).values { observer.finish() }
    }

    // MARK: Reading

    /// Reads a part of a log.
    /// - Parameters:
    ///   - offset: where to begin; 0 for the oldest text.
    ///   - limit: the largest number of bytes.
    /// - Returns: `nil` if the stage has no log.
    public func read(job: JobID, stage: StageName, from offset: Int64 = 0, limit: Int) -> Text? {
        let key = Key(job: job, stage: stage)
        let active = writing[key]
        guard let segments = active ?? LogSegments(directory: path(of: key), attempt: nil, limit: self.limit) else {
            return nil
        }
        let (bytes, start) = segments.read(from: offset, limit: limit)
        return Text(
            bytes: bytes, offset: start, kept: segments.start..<segments.end, attempt: segments.attempt,
            isEnded: active == nil)
    }

    /// Says when a log has grown: once now, then once for all growth since the last element was
    /// taken. The sequence ends with the attempt that writes.
    /// - Parameter awaitsBegin: whether to wait for the next attempt if none writes now. Otherwise
    ///   the sequence then ends at once.
    public func observe(job: JobID, stage: StageName, awaitsBegin: Bool = false) -> AsyncStream<Void> {
        let key = Key(job: job, stage: stage)
        let (stream, observer) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        observer.yield()
        guard writing[key] != nil || awaitsBegin else {
            observer.finish()
            return stream
        }
        let number = nextObserver
        nextObserver += 1
        observers[key, default: [:]][number] = observer
        observer.onTermination = { [weak self] _ in
            // Unstructured, because a termination handler cannot wait.
            Task { await self?.removeObserver(number, of: key) }
        }
        return stream
    }

    // MARK: Removing

    /// Removes the logs of a job.
    public func remove(job: JobID) {
        for key in writing.keys where key.job == job { close(key) }
        do {
            try DirectoryTree.remove("\(directory)/\(job)")
        } catch {
            logger.warning("cannot remove the logs of a job", metadata: ["job": "\(job)", "error": "\(error)"])
        }
    }

    /// The jobs that have logs, so that the daemon can remove those of jobs that do not exist.
    public func jobs() -> [JobID] { DirectoryTree.names(in: directory).compactMap { JobID($0) } }

    private func removeObserver(_ number: Int, of key: Key) {
        observers[key]?[number] = nil
        if observers[key]?.isEmpty == true { observers[key] = nil }
    }

    private func notify(_ key: Key) {
        for observer in observers[key, default: [:]].values { observer.yield() }
    }

    private func path(of key: Key) -> String { "\(directory)/\(key.job)/\(key.stage)" }
}
