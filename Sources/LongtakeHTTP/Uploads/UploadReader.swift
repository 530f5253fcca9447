import Crypto
import Hummingbird
import LongtakeCore
import NIOCore

/// Reads the body of one upload into the file store.
///
/// It collects nothing in memory: the next bytes are read when the store has written the previous
/// ones.
struct UploadReader: Sendable {
    let store: any FileStore
    let records: any FileRecords
    let tenant: TenantName
    let upload: UploadRegister.Upload
    let limits: UploadLimits

    /// Content that the store keeps, with what the body says about it.
    struct Received: Sendable {
        let kept: any KeptContent
        /// The name of the file in a form; `nil` if there is none.
        let name: String?
    }

    /// - Parameters:
    ///   - length: the bytes of the body; `nil` if the client did not say.
    ///   - digest: the SHA-256 that the body must have; `nil` for any.
    ///   - boundary: the boundary of a form whose part `content` or `file` is the file; `nil` if
    ///     the body is the file.
    /// - Throws: ``Problem``, ``FileStoreError``, or the error of the connection. Nothing is stored
    ///   then.
    func receive(
        _ body: RequestBody, length: Int64?, digest: ContentHash?, boundary: String?
    ) async throws -> Received {
        if let length, boundary == nil {
            guard length <= limits.fileBytes else { throw Problem.fileTooLarge(limits.fileBytes) }
        }
        try await reserve(length ?? limits.stepBytes, isPartial: length == nil)
        let draft = try await store.draft(for: tenant)
        do {
            return try await receive(body, into: draft, digest: digest, boundary: boundary)
        } catch {
            await draft.discard()
            throw error
        }
    }

    private func receive(
        _ body: RequestBody, into draft: any FileDraft, digest: ContentHash?, boundary: String?
    ) async throws -> Received {
        var form = try boundary.map { try FormFile(boundary: $0) }
        // The digest is that of the whole body, so a form is hashed here too (RFC 9530 §3).
        var hasher = digest.map { _ in SHA256() }
        var written: Int64 = 0
        for try await buffer in body {
            let bytes = Array(buffer.readableBytesView)
            hasher?.update(data: bytes)
            let content = try form?.read(bytes) ?? bytes
            written += Int64(content.count)
            guard written <= limits.fileBytes else { throw Problem.fileTooLarge(limits.fileBytes) }
            try await write(content, to: draft)
        }
        if let form { try form.finish() }
        // Compared before the content gets its final name, so that nothing has to be removed.
        if let hasher, ContentHash(bytes: hasher.finalize()) != digest { throw Problem.digestMismatch }
        return Received(kept: try await draft.keep(), name: form?.name)
    }

    private func write(_ bytes: [UInt8], to draft: any FileDraft) async throws {
        guard !bytes.isEmpty else { return }
        let missing = upload.missing(for: bytes.count)
        if missing > 0 {
            try await reserve(max(missing, limits.stepBytes), isPartial: true)
            guard upload.missing(for: bytes.count) == 0 else { throw Problem.tooManyBytes }
        }
        try await draft.write(bytes)
        upload.wrote(bytes.count)
    }

    private func reserve(_ bytes: Int64, isPartial: Bool) async throws {
        let used = upload.needsQuota ? try await records.bytesOfFiles(of: tenant) : 0
        try upload.reserve(bytes, isPartial: isPartial, usedBytes: used)
    }
}

/// The file in a form: the part `content`, or the part `file`.
private struct FormFile {
    private var splitter: MultipartSplitter
    private var isInFile = false
    private var hasFile = false
    private(set) var name: String?

    init(boundary: String) throws(Problem) {
        guard let splitter = MultipartSplitter(boundary: boundary) else {
            throw .badHeader("Content-Type", "must have a boundary of 1 to 70 characters")
        }
        self.splitter = splitter
    }

    /// - Returns: the bytes of the file among the next bytes of the form.
    mutating func read(_ bytes: [UInt8]) throws(Problem) -> [UInt8] {
        let pieces: [MultipartSplitter.Piece]
        do throws(MultipartSplitter.Malformed) {
            pieces = try splitter.read(bytes)
        } catch {
            throw .malformedForm(error.reason)
        }
        var content: [UInt8] = []
        for piece in pieces {
            switch piece {
            case .part(let headers): try begin(ContentDisposition(headers["content-disposition"] ?? ""))
            case .content(let bytes): if isInFile { content += bytes }
            case .endOfPart: isInFile = false
            }
        }
        return content
    }

    private mutating func begin(_ part: ContentDisposition) throws(Problem) {
        guard let field = part.name, ["content", "file"].contains(field) else { return }
        guard !hasFile else { throw .malformedForm("has more than one part “content” or “file”") }
        (isInFile, hasFile, name) = (true, true, part.filename)
    }

    func finish() throws(Problem) {
        guard splitter.isComplete else { throw .malformedForm("ends before the last delimiter of the form") }
        guard hasFile else { throw .malformedForm("has no part “content” or “file”") }
    }
}
