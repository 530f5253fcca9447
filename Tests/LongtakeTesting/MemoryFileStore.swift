import Crypto
import Glibc
public import LongtakeCore
import Synchronization

/// A file store that keeps all content in memory.
public final class MemoryFileStore: FileStore {
    private struct State {
        var contents: [ContentKey: [UInt8]] = [:]
        var keeps: [ContentKey: Int] = [:]
        var drafts = 0
        var freeBytes: Int64 = 1 << 50
        var failure: FileStoreError?
    }

    private let state = Mutex(State())

    public init() {}

    /// The stored content.
    public var contents: [ContentKey: [UInt8]] { state.withLock { $0.contents } }
    /// The number of drafts that are neither kept nor discarded.
    public var drafts: Int { state.withLock { $0.drafts } }

    /// Lets every later write fail; `nil` ends that.
    public func fail(with error: FileStoreError?) { state.withLock { $0.failure = error } }

    /// Sets the free bytes of the disk.
    public func setFreeBytes(_ bytes: Int64) { state.withLock { $0.freeBytes = bytes } }

    /// Stores content without a draft.
    @discardableResult
    public func put(_ bytes: [UInt8], for tenant: TenantName) -> Content {
        let content = Content(hash: ContentHash(bytes: SHA256.hash(data: bytes)), bytes: Int64(bytes.count))
        state.withLock { $0.contents[ContentKey(tenant: tenant, hash: content.hash)] = bytes }
        return content
    }

    /// Removes content as a damaged disk does.
    public func lose(_ key: ContentKey) { state.withLock { $0.contents[key] = nil } }

    public var freeBytes: Int64 { get throws(FileStoreError) { state.withLock { $0.freeBytes } } }

    public func draft(for tenant: TenantName) async throws(FileStoreError) -> any FileDraft {
        try check()
        state.withLock { $0.drafts += 1 }
        return Draft(store: self, tenant: tenant)
    }

    public func copy(
        of descriptor: Int32, for tenant: TenantName, limit: Int64
    ) async throws(FileStoreError) -> any KeptContent {
        try check()
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = pread(descriptor, &buffer, buffer.count, off_t(bytes.count))
            guard count > 0 else { break }
            bytes += buffer[..<count]
            guard bytes.count <= limit else { throw .tooLarge }
        }
        return kept(put(bytes, for: tenant), for: tenant, head: bytes)
    }

    public func keep(_ key: ContentKey) async throws(FileStoreError) -> (any KeptContent)? {
        guard let bytes = contents[key] else { return nil }
        return kept(Content(hash: key.hash, bytes: Int64(bytes.count)), for: key.tenant, head: bytes)
    }

    public func open(_ key: ContentKey) async throws(FileStoreError) -> (descriptor: Int32, bytes: Int64)? {
        guard let bytes = contents[key] else { return nil }
        guard let file = tmpfile() else { throw .failed("tmpfile(3) failed") }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count, fflush(file) == 0 else {
            throw .failed("fwrite(3) failed")
        }
        let descriptor = dup(fileno(file))
        guard descriptor >= 0 else { throw .failed("dup(2) failed") }
        return (descriptor, Int64(bytes.count))
    }

    public func export(_ key: ContentKey, to path: String) async throws(FileStoreError) {
        try check()
        guard let bytes = contents[key] else { throw .failed("no such content") }
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        guard descriptor >= 0 else { throw .failed("open(2) failed") }
        defer { close(descriptor) }
        guard write(descriptor, bytes, bytes.count) == bytes.count else { throw .failed("write(2) failed") }
    }

    public func remove(
        _ key: ContentKey, ifUnused isUnused: @Sendable () async throws -> Bool
    ) async throws -> Bool {
        guard state.withLock({ $0.keeps[key] == nil }), try await isUnused() else { return false }
        state.withLock { $0.contents[key] = nil }
        return true
    }

    public func list() -> AsyncThrowingStream<(key: ContentKey, bytes: Int64), any Error> {
        AsyncThrowingStream { stream in
            for (key, bytes) in contents { stream.yield((key, Int64(bytes.count))) }
            stream.finish()
        }
    }

    private func check() throws(FileStoreError) {
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    private func kept(_ content: Content, for tenant: TenantName, head: [UInt8]) -> Kept {
        let key = ContentKey(tenant: tenant, hash: content.hash)
        state.withLock { $0.keeps[key, default: 0] += 1 }
        return Kept(store: self, key: key, content: content, head: Array(head.prefix(4_096)))
    }

    private func release(_ key: ContentKey) {
        state.withLock { state in
            let left = state.keeps[key, default: 1] - 1
            state.keeps[key] = left > 0 ? left : nil
        }
    }

    private final class Draft: FileDraft {
        private let store: MemoryFileStore
        private let tenant: TenantName
        private let bytes = Mutex<[UInt8]?>([])

        init(store: MemoryFileStore, tenant: TenantName) {
            self.store = store
            self.tenant = tenant
        }

        func write(_ bytes: [UInt8]) async throws(FileStoreError) {
            try store.check()
            self.bytes.withLock { $0?.append(contentsOf: bytes) }
        }

        func keep() async throws(FileStoreError) -> any KeptContent {
            try store.check()
            let bytes = take() ?? []
            return store.kept(store.put(bytes, for: tenant), for: tenant, head: bytes)
        }

        func discard() async { _ = take() }

        private func take() -> [UInt8]? {
            let taken = bytes.withLock { bytes in
                defer { bytes = nil }
                return bytes
            }
            if taken != nil { store.state.withLock { $0.drafts -= 1 } }
            return taken
        }
    }

    private final class Kept: KeptContent {
        private let store: MemoryFileStore
        private let key: ContentKey
        let content: Content
        let head: [UInt8]

        init(store: MemoryFileStore, key: ContentKey, content: Content, head: [UInt8]) {
            self.store = store
            self.key = key
            self.content = content
            self.head = head
        }

        deinit { store.release(key) }
    }
}
