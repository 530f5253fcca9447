import LongtakeCore
import LongtakeTesting
import Synchronization

/// Rows of content, without files and jobs.
final class RecordsDouble: FileRecords {
    struct State {
        var used: Set<ContentKey> = []
        var unused: [ContentKey] = []
        var expired: [ContentKey] = []
        var error: (any Error)?
        var checks = 0
        var lastEnd: Timestamp?
    }

    let state = Mutex(State())

    /// What tests call to delete the last row of some content.
    func deleteRow(_ key: ContentKey) {
        state.withLock { state in
            state.used.remove(key)
            state.unused.append(key)
        }
    }

    func edit(_ edit: (inout State) -> Void) { state.withLock { edit(&$0) } }
    var lastEnd: Timestamp? { state.withLock { $0.lastEnd } }
    var checks: Int { state.withLock { $0.checks } }
    var unused: [ContentKey] { state.withLock { $0.unused } }

    private func read<Value>(_ body: (inout State) -> Value) throws -> Value {
        try state.withLock { state in
            state.checks += 1
            if let error = state.error { throw error }
            return body(&state)
        }
    }

    func unusedContent(limit: Int) async throws -> [ContentKey] { try read { Array($0.unused.prefix(limit)) } }
    func isUsed(_ key: ContentKey) async throws -> Bool { try read { $0.used.contains(key) } }
    func state(of job: JobID) async throws -> JobState? { nil }

    func checked(_ keys: [ContentKey]) async throws {
        try read { state in state.unused.removeAll { keys.contains($0) } }
    }
    func removeExpired(intermediatesOfJobsEndedBefore end: Timestamp) async throws -> Bool {
        try read { state in
            state.lastEnd = end
            guard let key = state.expired.popLast() else { return false }
            state.used.remove(key)
            state.unused.append(key)
            return !state.expired.isEmpty
        }
    }

    func add(
        _ file: UploadedFile, of tenant: TenantName, limit: Int64
    ) async throws -> (file: UploadedFile, isNew: Bool) { throw JournalError.closed }
    func file(_ id: FileID, of tenant: TenantName) async throws -> UploadedFile? { nil }
    func files(of tenant: TenantName, after: FileID?, limit: Int) async throws -> [UploadedFile] { [] }
    func delete(_ id: FileID, of tenant: TenantName) async throws {}
    func bytesOfFiles(of tenant: TenantName) async throws -> Int64 { 0 }
    func artifacts(of job: JobID, of tenant: TenantName) async throws -> [ArtifactRecord]? { nil }
    func usedContent(after: ContentKey?, limit: Int) async throws -> [(key: ContentKey, bytes: Int64)] { [] }
}
