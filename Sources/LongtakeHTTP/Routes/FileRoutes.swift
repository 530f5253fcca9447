import HTTPTypes
import Hummingbird
import LongtakeAPI
import LongtakeCore

/// `/v1/files`: uploads files, and lists, shows, returns and deletes them.
struct FileRoutes: Sendable {
    let records: any FileRecords
    let store: any FileStore
    let uploads: UploadRegister
    let clock: any WallClock
    /// Closed while the daemon shuts down.
    let admission: Admission
    /// Builds the links in responses.
    let links: APILinks

    func register(on routes: inout RouteTable) {
        routes.add(
            "/v1/files",
            [.get: .needs(.read, list, query: QueryNames("limit", "cursor")), .post: .upload(.submit, upload)])
        routes.add("/v1/files/{id}", [.get: .needs(.read, show), .delete: .needs(.submit, delete)])
        routes.add("/v1/files/{id}/content", [.get: .needs(.read, content)])
    }

    /// Files of one page: the default, and the maximum, which is below ``Limits/filesPerPage``.
    private static let (pageDefault, pageMaximum) = (50, 100)

    // MARK: Upload

    @Sendable private func upload(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        guard admission.isOpen else { throw Problem.draining }
        let digest = try ReprDigest.parse(request.headers[values: .reprDigest])
        let boundary = MultipartSplitter.boundary(in: request.headers[.contentType])
        let length = request.headers[.contentLength].flatMap { Int64($0) }
        let tenant = context.caller.tenant
        // In a form, the digest is that of the whole form.
        let named = boundary == nil ? digest : nil
        let isKnown = try await isKnown(named, of: tenant)
        let upload = try uploads.begin(for: context.caller, needsQuota: !isKnown)
        let reader = UploadReader(
            store: store, records: records, tenant: tenant, upload: upload, limits: uploads.limits)
        let (file, isNew) = try await add(to: tenant, isKnown: isKnown) {
            let received = try await reader.receive(request.body, length: length, digest: digest, boundary: boundary)
            return (received.kept, received.name ?? request.fileName)
        }
        var response = Response.json(FileDocument(file, links: links), status: isNew ? .created : .ok)
        response.headers[.location] = links.file(file.id)
        return response
    }

    private func isKnown(_ hash: ContentHash?, of tenant: TenantName) async throws -> Bool {
        guard let hash else { return false }
        return try await records.file(FileID(hash), of: tenant) != nil
    }

    /// Stores the row of content that has arrived. If that fails, the content is removed.
    private func add(
        to tenant: TenantName, isKnown: Bool,
        receiving receive: () async throws -> (kept: any KeptContent, name: String?)
    ) async throws -> (file: UploadedFile, isNew: Bool) {
        let added: Result<(file: UploadedFile, isNew: Bool), any Error>
        let content: Content
        do {
            let (kept, name) = try await receive()
            content = kept.content
            do {
                added = .success(
                    try await records.add(
                        file(kept, name: name), of: tenant, limit: isKnown ? .max : uploads.limits.bytesPerTenant))
            } catch {
                added = .failure(error)
            }
            // The store must not remove the content before its row exists.
            withExtendedLifetime(kept) {}
        }
        if case .failure(let error) = added { try await removeUnused(content, of: tenant, after: error) }
        return try added.get()
    }

    private func file(_ kept: any KeptContent, name: String?) -> UploadedFile {
        let now = clock.now()
        return UploadedFile(
            content: kept.content, type: MediaType(head: kept.head).rawValue, name: name, createdAt: now,
            expiresAt: now.advanced(by: Limits.fileLifetime))
    }

    /// Removes content whose row was not stored. If that is not certain, the content stays.
    private func removeUnused(_ content: Content, of tenant: TenantName, after error: any Error) async throws {
        switch error {
        case JournalError.outcomeUnknown, JournalError.unanswered: return
        default: break
        }
        let key = ContentKey(tenant: tenant, hash: content.hash)
        // The client gets the first error. What stays is an orphan, which the store's cleaner
        // finds.
        _ = try? await store.remove(key, ifUnused: { try await !records.isUsed(key) })
    }

    // MARK: Files

    @Sendable private func list(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        let query = Query(request)
        let limit = try query.integer("limit", in: 1...Self.pageMaximum) ?? Self.pageDefault
        var after: FileID?
        if let text = query["cursor"], !text.isEmpty {
            guard let id = FileID(text) else { throw Problem.badQuery("cursor", "is not a cursor of this list") }
            after = id
        }
        // One more, to know whether there is another page.
        let files = try await records.files(of: context.caller.tenant, after: after, limit: limit + 1)
        let page = Array(files.prefix(limit))
        return .json(FileListDocument(page, next: files.count > limit ? page.last?.id : nil, links: links))
    }

    @Sendable private func show(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        return .json(FileDocument(try await file(in: context), links: links))
    }

    @Sendable private func content(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let file = try await file(in: context)
        let content = StoredContent(content: file.content, type: file.type, name: file.name)
        return try await content.response(
            to: request, from: store, tenant: context.caller.tenant, in: context.exchange, missing: .noSuchFile)
    }

    @Sendable private func delete(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try await records.delete(try context.fileID(), of: context.caller.tenant)
        return Response(status: .noContent)
    }

    private func file(in context: DaemonRequestContext) async throws -> UploadedFile {
        guard let file = try await records.file(try context.fileID(), of: context.caller.tenant) else {
            throw Problem.noSuchFile
        }
        return file
    }
}

extension Request {
    /// The name of the file in the body; `nil` if the request has none.
    fileprivate var fileName: String? { headers[.contentDisposition].flatMap { ContentDisposition($0).filename } }
}

extension DaemonRequestContext {
    /// The id of a file in the path, whose colon may be escaped.
    /// - Throws: ``Problem`` with 404 if the text is not the id of a file.
    fileprivate func fileID() throws(Problem) -> FileID {
        guard let id = parameters.get("id").flatMap({ PercentEncoding.decode($0) }).flatMap({ FileID($0) }) else {
            throw .noSuchFile
        }
        return id
    }
}
