import HTTPTypes
import Hummingbird
import LongtakeCore

/// Bytes of the file store as a response: an artifact, or an uploaded file.
struct StoredContent: Sendable {
    let content: Content
    /// The media type.
    let type: String
    /// The name under which a browser saves the content; `nil` for none.
    let name: String?
    var isAttachment = false
    /// Whether the URL names this content and no other, so that caches need not ask again.
    var isImmutable = false

    /// What the bytes of others may do in a browser. They run no script, and load images and media
    /// of this server only.
    static let policy = "sandbox; default-src 'none'; media-src 'self'; img-src 'self'"

    /// Makes the response to a `GET`, and gives the file to the connection.
    /// - Parameter missing: the problem if the store does not have the content.
    func response(
        to request: Request, from store: any FileStore, tenant: TenantName, in exchange: RequestExchange,
        missing: Problem
    ) async throws -> Response {
        let tag = EntityTag(content.hash)
        var response = Response(status: .ok, headers: headers(tag))
        // Evaluated before the range (RFC 9110 §13.2.2).
        if try IfNoneMatch.parse(request.headers[.ifNoneMatch])?.contains(tag) == true {
            response.status = .notModified
            return response
        }
        let opened = try await store.open(ContentKey(tenant: tenant, hash: content.hash))
        guard let (descriptor, length) = opened else { throw missing }
        let range = ByteRange(request.headers[.range], ifRange: request.headers[.ifRange], tag: tag, length: length)
        let part: Range<Int64> = if case .part(let part) = range { part } else { 0..<length }
        // It owns the descriptor from here on.
        let file = FileBody(takingOwnershipOf: descriptor, offset: part.lowerBound, length: Int64(part.count))
        // A damaged file is not the content that the tag and the digest promise.
        guard length == content.bytes else { throw missing }
        guard range != .unsatisfiable else { throw Problem.unsatisfiableRange(length) }
        if range != .whole { response.status = .partialContent }
        response.headers[.contentRange] = range.contentRange(of: length)
        exchange.become(file)
        return response
    }

    private func headers(_ tag: EntityTag) -> HTTPFields {
        [
            .contentType: type,
            .eTag: tag.description,
            .acceptRanges: "bytes",
            .contentDisposition: ContentDisposition.text(isAttachment: isAttachment, name: name),
            .reprDigest: ReprDigest.text(content.hash),
            .cacheControl: isImmutable ? "private, max-age=31536000, immutable" : "private, no-cache",
            .contentSecurityPolicy: Self.policy,
        ]
    }
}
