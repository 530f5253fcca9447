import Glibc
public import LongtakeCore
import Synchronization

/// A ``FileStore`` in a directory: one directory for each tenant, and in it the content by its
/// hash.
///
/// Directories have the mode 0700 and files 0400. Only one process at a time may open the
/// directory.
///
/// **After a kill or a power cut** all content that ``FileDraft/keep()`` or ``copy(of:for:limit:)``
/// has returned is there, whole. Content whose call had not returned is there whole or not at all;
/// without a row it is an orphan that ``ContentCleaner`` removes. Content that was removed shortly
/// before a power cut may be back, as an orphan too. Unfinished files of earlier processes are
/// removed when the store is opened.
///
/// The store does not look for damage. After a restore, or if the disk loses bytes that it has
/// promised to keep, content may be missing, or have another size or other bytes. The caller
/// compares the size with its rows. Content of another size is replaced when somebody writes it
/// again.
///
/// After a failed sync of a directory, the store accepts no content for this directory until the
/// process ends, because a second sync could succeed although the change is lost.
public final class DirectoryFileStore: FileStore {
    let tree: ContentTree
    let threads: DiskThreads
    let holds: ContentHolds
    private let nextDraft = Atomic<Int>(0)

    /// Opens the store, creates missing directories, and removes unfinished files of earlier
    /// processes.
    /// - Parameters:
    ///   - directory: its parent must exist.
    ///   - whenReleased: called when nothing keeps some content any more, so that content without a
    ///     row is found (``ReleasedContent/add(_:)``). It is called on any thread and must not
    ///     block.
    public static func open(
        directory: String, whenReleased: @escaping @Sendable (ContentKey) -> Void = { _ in }
    ) async throws(FileStoreError) -> DirectoryFileStore {
        try await open(directory: directory, probe: DiskProbe(), whenReleased: whenReleased)
    }

    static func open(
        directory: String, probe: DiskProbe, whenReleased: @escaping @Sendable (ContentKey) -> Void = { _ in }
    ) async throws(FileStoreError) -> DirectoryFileStore {
        let threads = try DiskThreads()
        let tree = try await threads.run { () throws(FileStoreError) in try ContentTree(directory, probe: probe) }
        return DirectoryFileStore(tree, threads, ContentHolds(whenReleased: whenReleased))
    }

    private init(_ tree: ContentTree, _ threads: DiskThreads, _ holds: ContentHolds) {
        self.tree = tree
        self.threads = threads
        self.holds = holds
    }

    /// Begins new content.
    public func draft(for tenant: TenantName) async throws(FileStoreError) -> any FileDraft {
        DirectoryDraft(try await makeDraft(), for: tenant, in: self)
    }

    /// Copies a file into the store. It copies in pieces. If the task is cancelled in between, the
    /// copy is dropped and the call fails.
    public func copy(
        of descriptor: Int32, for tenant: TenantName, limit: Int64
    ) async throws(FileStoreError) -> any KeptContent {
        let draft = try await makeDraft()
        do throws(FileStoreError) {
            var state = try await threads.run { () throws(FileStoreError) in
                try DraftFile.Import(descriptor, to: draft, limit: limit)
            }
            while true {
                guard !Task.isCancelled else { throw FileStoreError.failed("the copy was cancelled") }
                let (next, complete) = try await threads.run { [state] () throws(FileStoreError) in
                    var state = state
                    let complete = try state.step()
                    return (state, complete)
                }
                if let complete { return try await publish(complete, for: tenant) }
                state = next
            }
        } catch {
            drop(draft.name)
            throw error
        }
    }

    /// Keeps existing content; `nil` if it does not exist.
    public func keep(_ key: ContentKey) async throws(FileStoreError) -> (any KeptContent)? {
        try await holds.withLock(key) { () async throws(FileStoreError) -> (any KeptContent)? in
            let stored = try await threads.run { [tree] () throws(FileStoreError) -> (Int64, [UInt8])? in
                guard let file = try tree.open(key) else { return nil }
                return (try file.bytes(), try file.head(HeldContent.headBytes))
            }
            return stored.map { holds.keep(key, $0.0, head: $0.1) }
        }
    }

    /// Opens content to read it; `nil` if it does not exist. The caller closes the descriptor.
    public func open(_ key: ContentKey) async throws(FileStoreError) -> (descriptor: Int32, bytes: Int64)? {
        try await threads.run { [tree] () throws(FileStoreError) -> (descriptor: Int32, bytes: Int64)? in
            guard let file = try tree.open(key) else { return nil }
            let copy = fcntl(file.number, F_DUPFD_CLOEXEC, 0)
            guard copy >= 0 else { throw .system("cannot open a file") }
            do throws(FileStoreError) {
                return (copy, try file.bytes())
            } catch {
                close(copy)
                throw error
            }
        }
    }

    /// Copies content to a new file of mode 0600. A link in the place of the file is not followed;
    /// to exclude links in the directories before it, the caller gives `/proc/self/fd/N/NAME`. The
    /// file is not synced. It is removed if the call fails.
    public func export(_ key: ContentKey, to path: String) async throws(FileStoreError) {
        let export = try await threads.run { [tree] () throws(FileStoreError) in
            guard let source = try tree.open(key) else { throw FileStoreError.failed("the content is missing") }
            return try ExportedFile(source, to: path)
        }
        do throws(FileStoreError) {
            var state = export
            while true {
                guard !Task.isCancelled else { throw FileStoreError.failed("the copy was cancelled") }
                let (next, isComplete) = try await threads.run { [state] () throws(FileStoreError) in
                    var state = state
                    let isComplete = try state.step()
                    return (state, isComplete)
                }
                if isComplete { return }
                state = next
            }
        } catch {
            threads.start { unlink(path) }
            throw error
        }
    }

    /// Removes content if nothing keeps it and `isUnused` confirms that no row refers to it.
    /// - Returns: whether the content is gone.
    public func remove(
        _ key: ContentKey, ifUnused isUnused: @Sendable () async throws -> Bool
    ) async throws -> Bool {
        try await holds.withLock(key) {
            guard !holds.isKept(key), try await isUnused() else { return false }
            try await threads.run { [tree] () throws(FileStoreError) in try tree.remove(key) }
            return true
        }
    }

    /// All stored content, in no order. It reads one directory at a time.
    public func list() -> AsyncThrowingStream<(key: ContentKey, bytes: Int64), any Error> {
        let listing = ContentListing(tree, threads)
        return AsyncThrowingStream { try await listing.next() }
    }

    /// The bytes of all stored content. Until ``count()`` has returned, what earlier processes have
    /// stored is counted only in part. Unfinished files are never counted.
    public var usedBytes: Int64 { tree.usedBytes }

    /// Lists all content once, so that ``usedBytes`` counts it.
    /// - Throws: ``FileStoreError`` if a directory cannot be read. A further call counts the rest.
    public func count() async throws(FileStoreError) {
        let listing = ContentListing(tree, threads)
        while try await listing.next() != nil { if Task.isCancelled { return } }
        tree.completeUsage()
    }

    /// The bytes that are free on the file system for the daemon's user.
    public var freeBytes: Int64 { get throws(FileStoreError) { try tree.freeBytes } }
}

extension DirectoryFileStore {
    private func makeDraft() async throws(FileStoreError) -> DraftFile {
        let name = "\(nextDraft.add(1, ordering: .relaxed).newValue)"
        return try await threads.run { [tree] () throws(FileStoreError) in
            try DraftFile(name: name, in: tree.drafts)
        }
    }

    /// Makes a draft durable, and keeps it. After an error the content may exist without a row, so
    /// the observer is told about it.
    func publish(_ draft: DraftFile, for tenant: TenantName) async throws(FileStoreError) -> HeldContent {
        let key = ContentKey(tenant: tenant, hash: draft.hash)
        do throws(FileStoreError) {
            return try await holds.withLock(key) { () async throws(FileStoreError) -> HeldContent in
                try await threads.run { [tree] () throws(FileStoreError) in try tree.publish(draft, as: key) }
                return holds.keep(key, draft.bytes, head: draft.head)
            }
        } catch {
            holds.abandon(key)
            throw error
        }
    }

    /// Removes an unfinished file, without waiting for it. If that fails, the next start removes
    /// it.
    func drop(_ name: String) {
        threads.start { [drafts = tree.drafts] in try? drafts.unlink(name) }
    }
}

/// A file that is being copied out of the store.
private struct ExportedFile: Sendable {
    private let source: Descriptor
    private var copy: FileCopy
    private let isCloned: Bool

    init(_ source: Descriptor, to path: String) throws(FileStoreError) {
        let target = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard target >= 0 else { throw .system("cannot create a copy") }
        self.source = source
        copy = FileCopy(from: source.number, to: Descriptor(target, probe: DiskProbe()))
        do throws(FileStoreError) {
            isCloned = try copy.clone()
        } catch {
            unlink(path)
            throw error
        }
    }

    /// - Returns: whether the copy is complete.
    mutating func step() throws(FileStoreError) -> Bool {
        if isCloned { return true }
        return try copy.copy(FileCopy.pieceBytes) == 0
    }
}
