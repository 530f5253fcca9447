package import LongtakeCore

/// The uploaded files of ``MemoryLedger``, and the list of content that may be unused.
struct MemoryFiles: Sendable {
    struct Entry: Sendable {
        var file: UploadedFile
        var lifetime: FileLifetime
    }

    var files: [ContentKey: Entry] = [:]
    /// How often somebody began to check the content since its last row was removed.
    private(set) var unused: [ContentKey: Int] = [:]

    func bytes(of tenant: TenantName) -> Int64 {
        files.reduce(0) { $1.key.tenant == tenant ? $0 + $1.value.file.content.bytes : $0 }
    }

    /// Some rows of a job were removed.
    mutating func mayBeUnused(_ content: [Content], of tenant: TenantName, still used: [Content] = []) {
        for content in Set(content).subtracting(used) { mayBeUnused(ContentKey(tenant: tenant, hash: content.hash)) }
    }

    mutating func mayBeUnused(_ key: ContentKey) { unused[key] = 0 }

    mutating func takeUnused(limit: Int) -> [ContentKey] {
        let entries = unused.sorted {
            ($0.value, $0.key.tenant, $0.key.hash.hex) < ($1.value, $1.key.tenant, $1.key.hash.hex)
        }
        let keys = entries.prefix(max(1, limit)).map(\.key)
        for key in keys { unused[key, default: 0] += 1 }
        return keys
    }

    mutating func checked(_ keys: [ContentKey]) {
        for key in keys where unused[key] ?? 0 > 0 { unused[key] = nil }
    }
}

extension MemoryLedger {
    /// The index of the stage that has made the artifact of this name; `nil` if there is none.
    package func maker(of name: ArtifactName, in job: JobID) -> Int? { records[job]?.artifacts[name]?.stage }

    /// Whether every content that a plan uses still exists.
    func hasContent(of plan: LedgerPlan, for submission: Submission) -> Bool {
        guard !submission.files.isEmpty else { return true }
        let now = content(of: submission)
        return plan.inputFiles.allSatisfy { now[$0.reference.field]?.content == $0.file }
    }

    /// The content that the references of a submission name, by input field.
    func content(of submission: Submission) -> [String: ReferencedContent] {
        let origin = submission.retryOf.flatMap { records[$0] }.flatMap {
            $0.submission.tenant == submission.tenant ? $0 : nil
        }
        return submission.files.reduce(into: [:]) { contents, reference in
            let retried = origin?.inputFiles.first {
                $0.reference.field == reference.field && $0.reference.source == reference.source
            }
            contents[reference.field] = ReferencedContent(
                retried: retried?.file, named: named(reference.source, by: submission.tenant))
        }
    }

    private func named(_ source: FileReference.Source, by tenant: TenantName) -> InputFile? {
        switch source {
        case .file(let id):
            return files.files[ContentKey(tenant: tenant, hash: id.hash)].map {
                InputFile(content: $0.file.content, type: $0.file.type)
            }
        case .artifact(let name, let job):
            guard let record = records[job], record.submission.tenant == tenant,
                let artifact = record.artifacts[name]?.record.artifact
            else { return nil }
            return InputFile(content: artifact.content, type: artifact.type)
        }
    }

    package mutating func add(
        _ file: UploadedFile, of tenant: TenantName, limit: Int64, at moment: ClockReading
    ) throws -> (file: UploadedFile, isNew: Bool) {
        let key = ContentKey(tenant: tenant, hash: file.content.hash)
        let lifetime = FileLifetime(until: file.expiresAt, at: moment)
        if let known = files.files[key] {
            return (keep(known.file, known.lifetime.renewed(by: lifetime), key), false)
        }
        try UploadedFile.requireRoom(for: file.content.bytes, beside: files.bytes(of: tenant), limit: limit)
        return (keep(file, lifetime, key), true)
    }

    /// The file, which is renewed because a client is told of it.
    package mutating func file(_ id: FileID, of tenant: TenantName, at moment: ClockReading) -> UploadedFile? {
        let key = ContentKey(tenant: tenant, hash: id.hash)
        return files.files[key].map { keep($0.file, $0.lifetime.renewed(at: moment) ?? $0.lifetime, key) }
    }

    private mutating func keep(_ file: UploadedFile, _ lifetime: FileLifetime, _ key: ContentKey) -> UploadedFile {
        let file = file.expiring(lifetime.expiresAt)
        files.files[key] = MemoryFiles.Entry(file: file, lifetime: lifetime)
        return file
    }

    package func files(of tenant: TenantName, after: FileID?, limit: Int) -> [UploadedFile] {
        let all = files.files.filter { $0.key.tenant == tenant }.map(\.value.file).sorted {
            ($0.createdAt, $0.content.hash.hex) > ($1.createdAt, $1.content.hash.hex)
        }
        let start = after.flatMap { after in all.firstIndex { $0.id == after } }.map { $0 + 1 } ?? 0
        return Array(all[start...].prefix(min(max(1, limit), Limits.filesPerPage)))
    }

    package mutating func delete(_ id: FileID, of tenant: TenantName) throws {
        let key = ContentKey(tenant: tenant, hash: id.hash)
        try UploadedFile.requireDeletable(exists: files.files[key] != nil, isReferenced: isReferenced(key))
        remove(key)
    }

    private mutating func remove(_ key: ContentKey) {
        files.files[key] = nil
        files.mayBeUnused(key)
    }

    private func isReferenced(_ key: ContentKey) -> Bool {
        records.values.contains { record in
            record.submission.tenant == key.tenant && record.inputFiles.contains { $0.file.content.hash == key.hash }
        }
    }

    package mutating func removeExpired(intermediatesOfJobsEndedBefore end: Timestamp, at moment: ClockReading) {
        for (key, entry) in files.files where entry.lifetime.keptUntil <= moment.steady && !isReferenced(key) {
            remove(key)
        }
        for (id, record) in records where record.endedAt.map({ $0 < end }) ?? false {
            for (name, artifact) in record.artifacts where artifact.record.artifact.role == .intermediate {
                records[id]?.removeArtifact(name)
            }
            files.mayBeUnused(record.content, of: record.submission.tenant, still: records[id]?.content ?? [])
        }
    }

    package func bytesOfFiles(of tenant: TenantName) -> Int64 { files.bytes(of: tenant) }

    package mutating func takeUnusedContent(limit: Int) -> [ContentKey] { files.takeUnused(limit: limit) }

    package mutating func checked(_ keys: [ContentKey]) { files.checked(keys) }

    package func isUsed(_ key: ContentKey) -> Bool {
        files.files[key] != nil || usedContent.contains { $0.key == key }
    }

    /// All content that rows refer to, in its order.
    package var usedContent: [(key: ContentKey, bytes: Int64)] {
        var used: [ContentKey: Int64] = files.files.mapValues(\.file.content.bytes)
        for record in records.values {
            for content in record.content {
                used[ContentKey(tenant: record.submission.tenant, hash: content.hash)] = content.bytes
            }
        }
        return used.map { (key: $0.key, bytes: $0.value) }.sorted { Self.precedes($0.key, $1.key) }
    }

    package func usedContent(after: ContentKey?, limit: Int) -> [(key: ContentKey, bytes: Int64)] {
        Array(usedContent.drop { entry in after.map { !Self.precedes($0, entry.key) } ?? false }.prefix(max(1, limit)))
    }

    private static func precedes(_ left: ContentKey, _ right: ContentKey) -> Bool {
        (left.tenant, left.hash.hex) < (right.tenant, right.hash.hex)
    }
}
