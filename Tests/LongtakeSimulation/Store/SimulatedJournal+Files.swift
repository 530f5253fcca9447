import LongtakeCore
import LongtakeStorage
import LongtakeTesting

extension SimulatedJournal {
    func register(_ artifact: Artifact, for claim: Claim) async throws -> ReportAnswer {
        do {
            _ = try await write(.normal, by: claim.id) { try $0.change(claim, by: .register(artifact), at: $1) }
            return .goOn
        } catch JournalError.refused(.artifactNameTaken) {
            throw JournalError.refused(.artifactNameTaken)
        } catch JournalError.refused(.canceling) {
            return .canceling
        } catch JournalError.notOwner, JournalError.refused {
            return .lost
        }
    }

    func add(
        _ file: UploadedFile, of tenant: TenantName, limit: Int64
    ) async throws -> (file: UploadedFile, isNew: Bool) {
        try await write(.normal) { try $0.add(file, of: tenant, limit: limit, at: $1) }
    }

    func file(_ id: FileID, of tenant: TenantName) async throws -> UploadedFile? {
        try await write(.normal) { $0.file(id, of: tenant, at: $1) }
    }

    func files(of tenant: TenantName, after: FileID?, limit: Int) async throws -> [UploadedFile] {
        try await read(for: tenant) { $0.files(of: tenant, after: after, limit: limit) }
    }

    func delete(_ id: FileID, of tenant: TenantName) async throws {
        try await write(.critical, for: Limits.cancelPatience) { ledger, _ in try ledger.delete(id, of: tenant) }
    }

    func bytesOfFiles(of tenant: TenantName) async throws -> Int64 {
        try await read(for: tenant) { $0.bytesOfFiles(of: tenant) }
    }

    func artifacts(of job: JobID, of tenant: TenantName) async throws -> [ArtifactRecord]? {
        try await self.job(job, of: tenant)?.artifacts
    }

    func state(of job: JobID) async throws -> JobState? { try await read(for: .anonymous) { $0.state(of: job) } }

    func removeExpired(intermediatesOfJobsEndedBefore end: Timestamp) async throws -> Bool {
        try await write(.maintenance) { $0.removeExpired(intermediatesOfJobsEndedBefore: end, at: $1) }
        return false
    }

    func unusedContent(limit: Int) async throws -> [ContentKey] {
        try await write(.maintenance) { ledger, _ in ledger.takeUnusedContent(limit: limit) }
    }

    func isUsed(_ key: ContentKey) async throws -> Bool { try await read { $0.isUsed(key) } }

    func checked(_ keys: [ContentKey]) async throws {
        try await write(.maintenance) { ledger, _ in ledger.checked(keys) }
    }

    func usedContent(after: ContentKey?, limit: Int) async throws -> [(key: ContentKey, bytes: Int64)] {
        try await read { $0.usedContent(after: after, limit: limit) }
    }
}
