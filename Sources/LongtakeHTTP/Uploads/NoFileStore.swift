import LongtakeCore

/// Stands for the store of a server that has none: every call fails, so the routes respond with
/// 503.
struct NoFileStore: FileStore {
    private static let failure = FileStoreError.failed("the daemon has no store for files")

    func draft(for tenant: TenantName) async throws(FileStoreError) -> any FileDraft { throw Self.failure }

    func copy(
        of descriptor: Int32, for tenant: TenantName, limit: Int64
    ) async throws(FileStoreError) -> any KeptContent { throw Self.failure }

    func keep(_ key: ContentKey) async throws(FileStoreError) -> (any KeptContent)? { throw Self.failure }

    func open(_ key: ContentKey) async throws(FileStoreError) -> (descriptor: Int32, bytes: Int64)? {
        throw Self.failure
    }

    func export(_ key: ContentKey, to path: String) async throws(FileStoreError) { throw Self.failure }

    func remove(
        _ key: ContentKey, ifUnused isUnused: @Sendable () async throws -> Bool
    ) async throws -> Bool { throw Self.failure }

    func list() -> AsyncThrowingStream<(key: ContentKey, bytes: Int64), any Error> {
        AsyncThrowingStream { $0.finish(throwing: Self.failure) }
    }

    var freeBytes: Int64 { get throws(FileStoreError) { throw Self.failure } }
}
