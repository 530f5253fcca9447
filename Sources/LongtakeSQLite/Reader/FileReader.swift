import GRDB
import LongtakeCore

/// Reads the rows of files, artifacts and references, within the caller's transaction.
enum FileReader {
    // MARK: Files

    static let fileQuery = """
        SELECT sha256, bytes, type, name, created_at, expires_at, kept_until FROM file WHERE tenant = ? AND sha256 = ?
        """

    /// A stored file with its lifetime.
    static func file(
        _ hash: ContentHash, of tenant: TenantName, _ db: Database
    ) throws -> (file: UploadedFile, lifetime: FileLifetime)? {
        let row = try Row.fetchOne(
            try db.cachedStatement(sql: fileQuery), arguments: [tenant.description, hash.hex])
        return try row.map {
            let file = try file($0)
            let kept = Timestamp(millisecondsSince1970: $0[6])
            return (file, FileLifetime(expiresAt: file.expiresAt, keptUntil: kept))
        }
    }

    static let filesQuery = """
        SELECT sha256, bytes, type, name, created_at, expires_at FROM file
        WHERE tenant = ? AND (created_at, sha256) < (?, ?) ORDER BY created_at DESC, sha256 DESC LIMIT ?
        """

    static func files(
        of tenant: TenantName, after: FileID?, limit: Int, _ db: Database
    ) throws -> [UploadedFile] {
        let last = try after.flatMap { try file($0.hash, of: tenant, db)?.file }
        let rows = try Row.fetchAll(
            try db.cachedStatement(sql: filesQuery),
            arguments: [
                tenant.description, last?.createdAt.millisecondsSince1970 ?? Int64.max,
                last?.content.hash.hex ?? "", min(max(1, limit), Limits.filesPerPage),
            ])
        return try rows.map(file)
    }

    static let stateQuery = "SELECT state FROM job WHERE id = ? AND tenant <> ''"

    /// The state of a job of any tenant; `nil` if there is none, or if it is soft-deleted.
    static func state(of job: JobID, _ db: Database) throws -> JobState? {
        let state = try String.fetchOne(
            try db.cachedStatement(sql: stateQuery), arguments: [job.description])
        return try state.map { text in
            guard let state = JobState(rawValue: text) else { throw UnreadableRow("job.state “\(text)”") }
            return state
        }
    }

    private static func file(_ row: Row) throws -> UploadedFile {
        UploadedFile(
            content: try content(row, 0), type: row[2], name: row[3],
            createdAt: Timestamp(millisecondsSince1970: row[4]), expiresAt: Timestamp(millisecondsSince1970: row[5]))
    }

    static let bytesQuery = "SELECT bytes FROM file_total WHERE tenant = ?"

    /// The bytes of all files of a tenant.
    static func bytes(of tenant: TenantName, _ db: Database) throws -> Int64 {
        try Int64.fetchOne(try db.cachedStatement(sql: bytesQuery), arguments: [tenant.description]) ?? 0
    }

    // MARK: Artifacts and references

    static let artifactsQuery = """
        SELECT sha256, bytes, name, type, role, stage, created_at FROM artifact WHERE job = ? ORDER BY seq
        """

    /// - Parameter stages: the names of the stages of the pipeline.
    static func artifacts(of key: Int64, stages: [StageName], _ db: Database) throws -> [ArtifactRecord] {
        let rows = try Row.fetchAll(try db.cachedStatement(sql: artifactsQuery), arguments: [key])
        // A job that cannot be read is shown without its stages.
        guard !stages.isEmpty else { return [] }
        return try rows.map { row in
            let index: Int = row[5]
            guard stages.indices.contains(index), let role = Artifact.Role(rawValue: row[4]) else {
                throw UnreadableRow("an artifact of job \(key)")
            }
            return ArtifactRecord(
                artifact: Artifact(
                    name: ArtifactName(unchecked: row[2]), type: row[3], content: try content(row, 0), role: role),
                stage: stages[index], createdAt: Timestamp(millisecondsSince1970: row[6]))
        }
    }

    static let inputFilesQuery = "SELECT sha256, bytes, type, field FROM input_file WHERE job = ?"

    /// The content that the input of a job refers to, by input field.
    static func inputFiles(of key: Int64, _ db: Database) throws -> [String: InputFile] {
        let rows = try Row.fetchAll(try db.cachedStatement(sql: inputFilesQuery), arguments: [key])
        return try rows.reduce(into: [:]) { $0[$1[3]] = try inputFile($1) }
    }

    static let retriedQuery = """
        SELECT input_file.sha256, input_file.bytes, input_file.type FROM job JOIN input_file ON input_file.job = job.key
        WHERE job.id = ? AND job.tenant = ? AND input_file.field = ? AND input_file.source = ?
        """
    static let artifactQuery = """
        SELECT artifact.sha256, artifact.bytes, artifact.type FROM job JOIN artifact ON artifact.job = job.key
        WHERE job.id = ? AND job.tenant = ? AND artifact.name = ?
        """

    /// The content that the references of a submission name, by input field.
    static func content(of submission: Submission, _ db: Database) throws -> [String: ReferencedContent] {
        let tenant = submission.tenant.description
        func find(_ sql: String, _ arguments: StatementArguments) throws -> InputFile? {
            try Row.fetchOne(try db.cachedStatement(sql: sql), arguments: arguments).map(inputFile)
        }
        return try submission.files.reduce(into: [:]) { contents, reference in
            var content = ReferencedContent()
            if let origin = submission.retryOf {
                content.retried = try find(
                    retriedQuery, [origin.description, tenant, reference.field, reference.source.text])
            }
            switch reference.source {
            case .file(let id):
                content.named = try file(id.hash, of: submission.tenant, db).map {
                    InputFile(content: $0.file.content, type: $0.file.type)
                }
            case .artifact(let name, let job):
                content.named = try find(artifactQuery, [job.description, tenant, name.description])
            }
            contents[reference.field] = content
        }
    }

    private static func inputFile(_ row: Row) throws -> InputFile {
        InputFile(content: try content(row, 0), type: row[2])
    }

    // MARK: Content

    /// Whether a row refers to the content. The rows of a deleted job are gone.
    static let usedQuery = """
        SELECT EXISTS (SELECT 1 FROM file WHERE tenant = ?1 AND sha256 = ?2)
            OR EXISTS (SELECT 1 FROM input_file WHERE tenant = ?1 AND sha256 = ?2)
            OR EXISTS (SELECT 1 FROM artifact WHERE tenant = ?1 AND sha256 = ?2)
        """

    static func isUsed(_ key: ContentKey, _ db: Database) throws -> Bool {
        try Bool.fetchOne(
            try db.cachedStatement(sql: usedQuery), arguments: [key.tenant.description, key.hash.hex]) ?? false
    }

    static func hasUnusedContent(_ db: Database) throws -> Bool {
        try Bool.fetchOne(
            try db.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM unused_content)")) ?? false
    }

    /// Each table gives a page in the order of its index, and the pages are merged.
    static let usedPageQuery = """
        SELECT sha256, max(bytes), tenant FROM (
            SELECT * FROM (SELECT tenant, sha256, bytes FROM file WHERE (tenant, sha256) > (?1, ?2)
                ORDER BY tenant, sha256 LIMIT ?3)
            UNION ALL
            SELECT * FROM (SELECT tenant, sha256, max(bytes) AS bytes FROM input_file WHERE (tenant, sha256) > (?1, ?2)
                GROUP BY tenant, sha256 ORDER BY tenant, sha256 LIMIT ?3)
            UNION ALL
            SELECT * FROM (SELECT tenant, sha256, max(bytes) AS bytes FROM artifact WHERE (tenant, sha256) > (?1, ?2)
                GROUP BY tenant, sha256 ORDER BY tenant, sha256 LIMIT ?3))
        GROUP BY tenant, sha256 ORDER BY tenant, sha256 LIMIT ?3
        """

    static func usedContent(
        after: ContentKey?, limit: Int, _ db: Database
    ) throws -> [(key: ContentKey, bytes: Int64)] {
        let rows = try Row.fetchAll(
            try db.cachedStatement(sql: usedPageQuery),
            arguments: [after?.tenant.description ?? "", after?.hash.hex ?? "", max(1, limit)])
        return try rows.map { row in
            let content = try content(row, 0)
            return (ContentKey(tenant: TenantName(unchecked: row[2]), hash: content.hash), content.bytes)
        }
    }

    private static func content(_ row: Row, _ column: Int) throws -> Content {
        guard let hash = ContentHash(hex: row[column] as String) else {
            throw UnreadableRow("a sha256 “\(row[column] as String)”")
        }
        return Content(hash: hash, bytes: row[column + 1])
    }
}
