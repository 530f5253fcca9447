public import LongtakeCore
import LongtakeStorage

/// The rows of artifacts and uploaded files.
///
/// Whatever removes rows uses the space that is reserved for a full disk, because it leads to the
/// removal of content.
extension SQLiteJournal {
    public func register(_ artifact: Artifact, for claim: Claim) async throws -> ReportAnswer {
        do {
            let state = try await writer.perform(whenDurable: notifyOfUnusedContent) {
                try $0.change(claim, by: .register(artifact), $1)
            }
            // If the job was set aside, the claim is no longer valid.
            return state == nil ? .lost : .goOn
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
        try await writer.perform { try $0.add(file, of: tenant, limit: limit, $1) }
    }

    public func file(_ id: FileID, of tenant: TenantName) async throws -> UploadedFile? {
        let known = try await reads.read(for: tenant) { try FileReader.file(id.hash, of: tenant, $0) }
        guard let known else { return nil }
        guard known.lifetime.renewed(at: clock.reading()) != nil else { return known.file }
        return try await writer.perform { try $0.renew(id, of: tenant, $1) }
    }

    public func files(of tenant: TenantName, after: FileID?, limit: Int) async throws -> [UploadedFile] {
        try await reads.read(for: tenant) { try FileReader.files(of: tenant, after: after, limit: limit, $0) }
    }

    public func delete(_ id: FileID, of tenant: TenantName) async throws {
        try await writer.perform(
            as: .critical, for: configuration.cancelPatience, whenDurable: notifyOfUnusedContent
        ) {
            try $0.delete(id, of: tenant, $1)
        }
    }

    public func bytesOfFiles(of tenant: TenantName) async throws -> Int64 {
        try await reads.read(for: tenant) { try FileReader.bytes(of: tenant, $0) }
    }

    public func artifacts(of job: JobID, of tenant: TenantName) async throws -> [ArtifactRecord]? {
        try await self.job(job, of: tenant)?.artifacts
    }

    public func state(of job: JobID) async throws -> JobState? {
        try await reads.read(for: nil) { try FileReader.state(of: job, $0) }
    }

    public func removeExpired(intermediatesOfJobsEndedBefore end: Timestamp) async throws -> Bool {
        try await writer.perform(as: .maintenance) { try $0.removeExpired(intermediatesOfJobsEndedBefore: end, $1) }
    }

    /// Writes only if there is content to check.
    public func unusedContent(limit: Int) async throws -> [ContentKey] {
        guard try await reads.read(for: nil, { try FileReader.hasUnusedContent($0) }) else { return [] }
        return try await writer.perform(as: .maintenance) { try $0.unusedContent(limit: limit, $1) }
    }

    public func isUsed(_ key: ContentKey) async throws -> Bool {
        try await reads.read(for: nil) { try FileReader.isUsed(key, $0) }
    }

    public func checked(_ keys: [ContentKey]) async throws {
        guard !keys.isEmpty else { return }
        try await writer.perform(as: .maintenance) { try $0.checked(keys, $1) }
    }

    public func usedContent(after: ContentKey?, limit: Int) async throws -> [(key: ContentKey, bytes: Int64)] {
        try await reads.read(for: nil) { try FileReader.usedContent(after: after, limit: limit, $0) }
    }
}
