import GRDB
import LongtakeCore

/// The rows of uploaded files, and the list of content that may be unused.
extension JobLedger {
    /// Adds a file, or renews a known one. The number of bytes of a tenant is a counter, so this
    /// costs the same for any number of files.
    func add(
        _ file: UploadedFile, of tenant: TenantName, limit: Int64, _ db: Database
    ) throws -> (file: UploadedFile, isNew: Bool) {
        let lifetime = FileLifetime(until: file.expiresAt, at: clock.reading())
        if let known = try FileReader.file(file.content.hash, of: tenant, db) {
            let renewed = known.lifetime.renewed(by: lifetime)
            if renewed != known.lifetime { try keep(known.file, of: tenant, renewed, db) }
            return (known.file.expiring(renewed.expiresAt), false)
        }
        try UploadedFile.requireRoom(
            for: file.content.bytes, beside: try FileReader.bytes(of: tenant, db), limit: limit)
        try db.cachedStatement(sql: Self.insertFile).execute(arguments: [
            tenant.description, file.content.hash.hex, file.content.bytes, file.type, file.name,
            file.createdAt.millisecondsSince1970, lifetime.expiresAt.millisecondsSince1970,
            lifetime.keptUntil.millisecondsSince1970, lifetime.keptUntil.millisecondsSince1970,
        ])
        return (file, true)
    }

    /// Renews a file of which a client is told.
    /// - Returns: `nil` if the tenant has no such file.
    func renew(_ id: FileID, of tenant: TenantName, _ db: Database) throws -> UploadedFile? {
        guard let known = try FileReader.file(id.hash, of: tenant, db) else { return nil }
        guard let renewed = known.lifetime.renewed(at: clock.reading()) else { return known.file }
        try keep(known.file, of: tenant, renewed, db)
        return known.file.expiring(renewed.expiresAt)
    }

    private func keep(
        _ file: UploadedFile, of tenant: TenantName, _ lifetime: FileLifetime, _ db: Database
    ) throws {
        let kept = lifetime.keptUntil.millisecondsSince1970
        try db.cachedStatement(sql: Self.renewFile).execute(arguments: [
            lifetime.expiresAt.millisecondsSince1970, kept, kept, tenant.description, file.content.hash.hex,
        ])
    }

    func delete(_ id: FileID, of tenant: TenantName, _ db: Database) throws {
        let exists = try FileReader.file(id.hash, of: tenant, db) != nil
        try UploadedFile.requireDeletable(exists: exists, isReferenced: try isReferenced(id.hash, of: tenant, db))
        try db.cachedStatement(sql: Self.removeFile).execute(arguments: [tenant.description, id.hash.hex])
    }

    private func isReferenced(_ hash: ContentHash, of tenant: TenantName, _ db: Database) throws -> Bool {
        try Bool.fetchOne(
            try db.cachedStatement(sql: Self.referencedQuery), arguments: [tenant.description, hash.hex]) ?? false
    }

    private static let insertFile = """
        INSERT INTO file (tenant, sha256, bytes, type, name, created_at, expires_at, kept_until, check_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    private static let renewFile = """
        UPDATE file SET expires_at = ?, kept_until = ?, check_at = ? WHERE tenant = ? AND sha256 = ?
        """
    private static let removeFile = "DELETE FROM file WHERE tenant = ? AND sha256 = ?"
    static let referencedQuery = "SELECT EXISTS (SELECT 1 FROM input_file WHERE tenant = ? AND sha256 = ?)"

    // MARK: Removal

    /// Removes expired rows, a limited number.
    /// - Parameter end: a steady time.
    /// - Returns: whether there may be more.
    func removeExpired(intermediatesOfJobsEndedBefore end: Timestamp, _ db: Database) throws -> Bool {
        let most = SQLiteLimits.expiredRowsPerTransaction
        let due = try Row.fetchAll(
            try db.cachedStatement(sql: Self.dueFilesQuery),
            arguments: [clock.steady().millisecondsSince1970, most])
        for row in due {
            guard let hash = ContentHash(hex: row[1] as String) else { throw UnreadableRow("file.sha256") }
            let isReferenced = try isReferenced(hash, of: TenantName(unchecked: row[0]), db)
            try db.cachedStatement(sql: isReferenced ? Self.leaveFile : Self.removeFile)
                .execute(arguments: [row[0] as String, row[1] as String])
        }
        let intermediates = try Row.fetchAll(
            try db.cachedStatement(sql: Self.endedQuery), arguments: [end.millisecondsSince1970, most])
        for row in intermediates {
            try db.cachedStatement(sql: Self.removeArtifact).execute(arguments: [row[0] as Int64, row[1] as String])
        }
        return max(due.count, intermediates.count) == most
    }

    static let dueFilesQuery = "SELECT tenant, sha256 FROM file WHERE check_at <= ? ORDER BY check_at LIMIT ?"
    /// Only a job keeps the file now. The trigger of the last reference sets `check_at` again.
    private static let leaveFile = "UPDATE file SET check_at = NULL WHERE tenant = ? AND sha256 = ?"
    static let endedQuery = "SELECT job, name FROM artifact WHERE ended_at < ? ORDER BY ended_at LIMIT ?"
    private static let removeArtifact = "DELETE FROM artifact WHERE job = ? AND name = ?"

    /// Content to check, the least checked first.
    func unusedContent(limit: Int, _ db: Database) throws -> [ContentKey] {
        let rows = try Row.fetchAll(
            try db.cachedStatement(sql: Self.unusedQuery), arguments: [max(1, limit)])
        return try rows.map { row in
            guard let hash = ContentHash(hex: row[1] as String) else { throw UnreadableRow("unused_content.sha256") }
            try db.cachedStatement(sql: Self.takeContent).execute(arguments: [row[0] as String, hash.hex])
            return ContentKey(tenant: TenantName(unchecked: row[0]), hash: hash)
        }
    }

    func checked(_ keys: [ContentKey], _ db: Database) throws {
        for key in keys {
            try db.cachedStatement(sql: Self.forgetContent)
                .execute(arguments: [key.tenant.description, key.hash.hex])
        }
    }

    static let unusedQuery = "SELECT tenant, sha256 FROM unused_content ORDER BY checks LIMIT ?"
    private static let takeContent = "UPDATE unused_content SET checks = checks + 1 WHERE tenant = ? AND sha256 = ?"
    private static let forgetContent = "DELETE FROM unused_content WHERE tenant = ? AND sha256 = ? AND checks > 0"
}
