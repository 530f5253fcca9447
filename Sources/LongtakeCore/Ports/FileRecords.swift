/// The rows about uploaded files, artifacts, and the jobs that refer to them.
///
/// Content without any row is unused. The rows that a transaction removes leave their content in
/// ``unusedContent(limit:)``, from which it is removed.
public protocol FileRecords: Sendable {
    /// Stores an uploaded file whose content is kept, or renews a known one until
    /// ``UploadedFile/expiresAt``.
    /// - Returns: the stored file, and whether it is new.
    /// - Throws: ``JournalError/tooManyBytes`` if the files of the tenant would exceed `limit`
    /// bytes.
    func add(
        _ file: UploadedFile, of tenant: TenantName, limit: Int64
    ) async throws -> (file: UploadedFile, isNew: Bool)

    /// The file; `nil` if the tenant has no such file. It is kept for at least
    /// ``Limits/fileLifetime`` from now, so this renews it from time to time.
    func file(_ id: FileID, of tenant: TenantName) async throws -> UploadedFile?

    /// A page of the files of a tenant, newest first.
    /// - Parameters:
    ///   - after: the last file of the previous page; `nil` for the first page. If it was deleted
    ///     meanwhile, the newest page is returned.
    ///   - limit: 1 to ``Limits/filesPerPage``.
    func files(of tenant: TenantName, after: FileID?, limit: Int) async throws -> [UploadedFile]

    /// Deletes a file.
    /// - Throws: ``JournalError/noSuchFile``, or ``JournalError/refused(_:)`` with
    ///   ``JobRefusal/fileInUse`` if a kept job refers to it.
    func delete(_ id: FileID, of tenant: TenantName) async throws

    /// The bytes of all files of a tenant.
    func bytesOfFiles(of tenant: TenantName) async throws -> Int64

    /// The artifacts of a job, oldest first; `nil` if the tenant has no such job.
    func artifacts(of job: JobID, of tenant: TenantName) async throws -> [ArtifactRecord]?

    /// The state of a job of any tenant; `nil` if there is none. What is stored beside the rows of
    /// a job, such as its logs, is removed with it.
    func state(of job: JobID) async throws -> JobState?

    /// Removes the rows of files that have expired and that no kept job refers to, and of
    /// intermediate artifacts of jobs that ended before `end`. It handles a limited number of rows.
    /// - Parameter end: a time of the store's steady clock, from which all ages count.
    /// - Returns: whether there is more to remove.
    func removeExpired(intermediatesOfJobsEndedBefore end: Timestamp) async throws -> Bool

    /// Content whose last row may have been removed, and that was not checked since then.
    ///
    /// The caller removes what ``isUsed(_:)`` calls unused, and then calls ``checked(_:)``. If a
    /// row of the content was removed between these calls, the content stays in this list.
    func unusedContent(limit: Int) async throws -> [ContentKey]

    /// Whether any row refers to the content.
    func isUsed(_ key: ContentKey) async throws -> Bool

    /// Forgets content that ``unusedContent(limit:)`` has returned: it was removed, or is used.
    func checked(_ keys: [ContentKey]) async throws

    /// All content that rows refer to, for the comparison with the store.
    /// - Parameter after: the last entry of the previous page; `nil` for the first page.
    func usedContent(after: ContentKey?, limit: Int) async throws -> [(key: ContentKey, bytes: Int64)]
}
