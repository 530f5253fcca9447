import LongtakeCore
import Synchronization

/// The directories of a store, and the operations on them that block. The caller holds the lock of
/// the content where one is needed.
///
/// - `tenants/TENANT/ab/ab…` is content: the name is its hash (64 digits), the directory the first
///   two digits of the hash.
/// - `drafts/N` holds the unfinished files of one process. N grows with each start.
final class ContentTree: Sendable {
    private let directories: ContentDirectories
    /// The unfinished files of this process.
    let drafts: Directory
    private let syncs = Mutex(DirectorySyncs())
    private let usage = Mutex(ContentUsage())

    /// Opens the directories, creates the missing ones, and removes unfinished files of earlier
    /// processes. Only one process may have them open; the lock of the data directory ensures that.
    init(_ path: String, probe: DiskProbe) throws(FileStoreError) {
        let root = try Directory.open(path, probe: probe)
        directories = ContentDirectories(tenants: try root.directoryMadeIfMissing("tenants"))
        let all = try root.directoryMadeIfMissing("drafts")
        let earlier = try all.names()
        for name in earlier { try Self.removeDrafts(name, in: all) }
        let number = (earlier.compactMap { UInt64($0) }.max() ?? 0) &+ 1
        guard try all.makeDirectory("\(number)"), let drafts = try all.directory("\(number)") else {
            throw .failed("another process uses the directory of files")
        }
        self.drafts = drafts
        try root.sync()
    }

    private static func removeDrafts(_ name: String, in all: Directory) throws(FileStoreError) {
        guard let drafts = try all.directory(name) else { return }
        for draft in try drafts.names() { try drafts.unlink(draft) }
        try all.unlink(name, isDirectory: true)
    }

    private var tenants: Directory { directories.tenants }

    var freeBytes: Int64 { get throws(FileStoreError) { try tenants.freeBytes() } }

    /// Opens content; `nil` if it does not exist.
    func open(_ key: ContentKey) throws(FileStoreError) -> Descriptor? { try directories.open(key) }

    /// Removes content. It is not synced: if a power cut undoes the removal, the content is an
    /// orphan and is removed after the next start.
    func remove(_ key: ContentKey) throws(FileStoreError) {
        try counting(key) { () throws(FileStoreError) in
            try directories.directory(of: key)?.unlink(key.hash.hex)
            syncs.withLock { $0.trust(key) }
        }
    }
}

// MARK: - Publishing

extension ContentTree {
    /// Makes a draft durable under its final name. The draft's name is gone afterwards, also after
    /// an error.
    ///
    /// Content that exists stays the same file, and is synced. It is replaced if it has another
    /// size, which only a damaged disk or an incomplete restore can leave, or if it cannot be
    /// synced.
    func publish(_ draft: DraftFile, as key: ContentKey) throws(FileStoreError) {
        try counting(key) { () throws(FileStoreError) in try publishUncounted(draft, as: key) }
    }

    private func publishUncounted(_ draft: DraftFile, as key: ContentKey) throws(FileStoreError) {
        var isRenamed = false
        defer { if !isRenamed { try? drafts.unlink(draft.name) } }
        let places = try placesToSync(for: key)
        let tenant = try tenants.directoryMadeIfMissing(TenantDirectory.name(of: key.tenant))
        let directory = try tenant.directoryMadeIfMissing(ContentDirectories.prefix(of: key.hash))
        if try isStored(key, bytes: draft.bytes, in: directory) {
            return try sync(places, for: key, tenant, directory)
        }
        try draft.file.sync()
        let isNew = try directory.bytes(of: key.hash.hex) == nil
        try drafts.rename(draft.name, to: key.hash.hex, in: directory)
        isRenamed = true
        do throws(FileStoreError) {
            try sync(places + [.drafts], for: key, tenant, directory)
        } catch {
            // Nobody can have opened new content with success, because the caller has its lock.
            if isNew { try? directory.unlink(key.hash.hex) }
            throw error
        }
        syncs.withLock { $0.trust(key) }
    }

    /// Whether the content exists with this size and its bytes are durable.
    private func isStored(
        _ key: ContentKey, bytes: Int64, in directory: Directory
    ) throws(FileStoreError) -> Bool {
        guard try directory.bytes(of: key.hash.hex) == bytes, !syncs.withLock({ $0.isDoubtful(key) }),
            let stored = try directory.file(key.hash.hex)
        else { return false }
        do throws(FileStoreError) {
            try stored.sync()
            return true
        } catch {
            syncs.withLock { $0.doubt(key) }
            return false
        }
    }

    private func placesToSync(for key: ContentKey) throws(FileStoreError) -> [DirectorySyncs.Place] {
        let (places, hasFailed) = syncs.withLock { syncs in
            let places = syncs.places(for: key)
            return (places, (places + [.drafts]).contains { syncs.hasFailed($0) })
        }
        guard !hasFailed else {
            throw .failed("a directory of files could not be synced earlier; restart the daemon")
        }
        return places
    }

    private func sync(
        _ places: [DirectorySyncs.Place], for key: ContentKey, _ tenant: Directory, _ prefix: Directory
    ) throws(FileStoreError) {
        for place in places {
            do throws(FileStoreError) {
                switch place {
                case .drafts: try drafts.sync()
                case .tenants: try tenants.sync()
                case .tenant: try tenant.sync()
                case .prefix: try prefix.sync()
                }
            } catch {
                syncs.withLock { $0.fail(place) }
                throw error
            }
        }
        syncs.withLock { $0.succeed(for: key) }
    }
}

// MARK: - Counting

extension ContentTree {
    /// The bytes of all content. Until ``list(_:)`` has returned each node once, what earlier
    /// processes have stored is missing in part.
    var usedBytes: Int64 { usage.withLock { $0.bytes } }

    /// All nodes were listed.
    func completeUsage() { usage.withLock { $0.complete() } }

    /// Counts what a change does to the content.
    private func counting(_ key: ContentKey, _ change: () throws(FileStoreError) -> Void) throws(FileStoreError) {
        let place = ContentUsage.Place(tenant: key.tenant, prefix: ContentDirectories.prefix(of: key.hash))
        usage.withLock { $0.begin(key, in: place) }
        let before = bytes(of: key)
        // After an error too, because the content may have changed.
        defer {
            let after = bytes(of: key)
            usage.withLock { $0.end(key, in: place, before: before ?? 0, after: after ?? 0) }
        }
        try change()
    }

    /// `nil` if the content does not exist, or cannot be examined.
    private func bytes(of key: ContentKey) -> Int64? { try? directories.bytes(of: key) }
}

// MARK: - Listing

extension ContentTree {
    typealias Node = ContentDirectories.Node

    /// - Returns: as ``ContentDirectories/list(_:)``. What it finds is counted.
    func list(_ node: Node) throws(FileStoreError) -> (nodes: [Node], content: [(key: ContentKey, bytes: Int64)]) {
        let found = try directories.list(node)
        if case .prefix(let prefix, let tenant) = node {
            usage.withLock { $0.add(ContentUsage.Place(tenant: tenant, prefix: prefix), found.content) }
        }
        return found
    }
}

/// The content of a tree, one directory at a time.
final class ContentListing: Sendable {
    private let tree: ContentTree
    private let threads: DiskThreads
    private let state = Mutex<State>(State())

    private struct State {
        var nodes: [ContentTree.Node] = [.root]
        var content: [(key: ContentKey, bytes: Int64)] = []
    }

    init(_ tree: ContentTree, _ threads: DiskThreads) {
        self.tree = tree
        self.threads = threads
    }

    /// One call at a time.
    /// - Returns: `nil` at the end.
    func next() async throws(FileStoreError) -> (key: ContentKey, bytes: Int64)? {
        while true {
            if let next = state.withLock({ $0.content.popLast() }) { return next }
            guard let node = state.withLock({ $0.nodes.popLast() }) else { return nil }
            let (nodes, content) = try await threads.run { [tree] () throws(FileStoreError) in try tree.list(node) }
            state.withLock { state in
                state.nodes += nodes
                state.content = content
            }
        }
    }
}
