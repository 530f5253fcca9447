public import LongtakeCore

extension MemoryJournal {
    public func register(_ artifact: Artifact, for claim: Claim) async throws -> ReportAnswer {
        do {
            _ = try await change(claim, by: .register(artifact))
            return .goOn
        } catch JournalError.refused(.artifactNameTaken) {
            throw JournalError.refused(.artifactNameTaken)
        } catch JournalError.refused(.canceling) {
            return .canceling
        } catch JournalError.notOwner, JournalError.refused {
            return .lost
        }
    }

    public func add(
        _ file: UploadedFile, of tenant: TenantName, limit: Int64
    ) async throws -> (file: UploadedFile, isNew: Bool) {
        try await commit { try $0.add(file, of: tenant, limit: limit, at: $1) }
    }

    public func file(_ id: FileID, of tenant: TenantName) async throws -> UploadedFile? {
        try await commit { $0.file(id, of: tenant, at: $1) }
    }

    public func files(of tenant: TenantName, after: FileID?, limit: Int) async throws -> [UploadedFile] {
        try await shared.read { ledger, _ in ledger.files(of: tenant, after: after, limit: limit) }
    }

    public func delete(_ id: FileID, of tenant: TenantName) async throws {
        try await commit { ledger, _ in try ledger.delete(id, of: tenant) }
    }

    public func bytesOfFiles(of tenant: TenantName) async throws -> Int64 {
        try await shared.read { ledger, _ in ledger.bytesOfFiles(of: tenant) }
    }

    public func artifacts(of job: JobID, of tenant: TenantName) async throws -> [ArtifactRecord]? {
        try await self.job(job, of: tenant)?.artifacts
    }

    public func state(of job: JobID) async throws -> JobState? {
        try await shared.read { ledger, _ in ledger.state(of: job) }
    }

    public func removeExpired(intermediatesOfJobsEndedBefore end: Timestamp) async throws -> Bool {
        try await commit { $0.removeExpired(intermediatesOfJobsEndedBefore: end, at: $1) }
        return false
    }

    public func unusedContent(limit: Int) async throws -> [ContentKey] {
        try await commit { ledger, _ in ledger.takeUnusedContent(limit: limit) }
    }

    public func isUsed(_ key: ContentKey) async throws -> Bool {
        try await shared.read { ledger, _ in ledger.isUsed(key) }
    }

    public func checked(_ keys: [ContentKey]) async throws {
        try await commit { ledger, _ in ledger.checked(keys) }
    }

    public func usedContent(after: ContentKey?, limit: Int) async throws -> [(key: ContentKey, bytes: Int64)] {
        try await shared.read { ledger, _ in ledger.usedContent(after: after, limit: limit) }
    }
}
