/// The bytes of files and artifacts, by tenant and hash. What refers to them is in ``FileRecords``.
///
/// These rules hold for every store:
/// - Content that ``FileDraft/keep()`` or ``copy(of:for:limit:)`` has returned is durable under its
///   final name.
/// - Content is removed only by ``remove(_:ifUnused:)``, and never while a ``KeptContent`` of it
///   exists. So a caller keeps content, writes the rows that refer to it, and lets it go.
public protocol FileStore: Sendable {
    /// Begins new content.
    func draft(for tenant: TenantName) async throws(FileStoreError) -> any FileDraft

    /// Copies a file into the store, and hashes the copy.
    /// - Parameters:
    ///   - descriptor: an open regular file. It is read from its beginning. The caller closes it
    ///     after the call.
    ///   - limit: the largest accepted number of bytes.
    func copy(
        of descriptor: Int32, for tenant: TenantName, limit: Int64
    ) async throws(FileStoreError) -> any KeptContent

    /// Keeps existing content; `nil` if it does not exist.
    func keep(_ key: ContentKey) async throws(FileStoreError) -> (any KeptContent)?

    /// Opens content to read it; `nil` if it does not exist.
    /// - Returns: a descriptor that the caller must close, and the number of bytes.
    func open(_ key: ContentKey) async throws(FileStoreError) -> (descriptor: Int32, bytes: Int64)?

    /// Copies content to a new file, which shares no inode with the store. It uses a clone
    /// (`FICLONE`) if the file system can.
    /// - Parameter path: the path of the file to create. It must not exist.
    func export(_ key: ContentKey, to path: String) async throws(FileStoreError)

    /// Removes content if nothing keeps it and `isUnused` confirms that no row refers to it. Nobody
    /// can keep the content between that answer and the removal.
    /// - Returns: whether the content is gone.
    func remove(
        _ key: ContentKey, ifUnused isUnused: @Sendable () async throws -> Bool
    ) async throws -> Bool

    /// All stored content, in no order. Content that is added or removed meanwhile may be missing.
    func list() -> AsyncThrowingStream<(key: ContentKey, bytes: Int64), any Error>

    /// The bytes that are free on the file system for the daemon's user.
    var freeBytes: Int64 { get throws(FileStoreError) }
}

/// Content that is being written.
public protocol FileDraft: Sendable {
    /// Appends bytes. One call at a time.
    func write(_ bytes: [UInt8]) async throws(FileStoreError)

    /// Makes the content durable under its final name.
    func keep() async throws(FileStoreError) -> any KeptContent

    /// Deletes what was written. It has no effect after ``keep()``.
    func discard() async
}

/// Content that is not removed while this object exists, even if no row refers to it yet.
public protocol KeptContent: AnyObject, Sendable {
    var content: Content { get }
    /// The first bytes, at most 4,096, from which the media type is found.
    var head: [UInt8] { get }
}

/// The error of a ``FileStore``. The texts are for the operator and contain no path.
public enum FileStoreError: Error, Hashable, Sendable {
    /// The disk, or the quota of the daemon's user, is full.
    case full
    /// The content is larger than the limit.
    case tooLarge
    /// The disk failed.
    case failed(String)
}
