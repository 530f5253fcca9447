import HTTPTypes
import Hummingbird
import LongtakeCore
import NIOCore

/// An error as clients see it: `application/problem+json` (RFC 9457). It never holds a stack, a path or SQL.
struct Problem: Error, Sendable {
    /// The last part of `type`, `urn:longtake:problem:…`: a stable word for programs.
    var kind: String
    var status: HTTPResponse.Status
    var title: String
    var detail: String?
    /// What is wrong with the body, for a 422.
    var errors: [InputProblem]?
    var headers = HTTPFields()
    /// Whether the connection cannot be used for another request, since where it would begin is unknown.
    var closesConnection = false

    func response() -> Response {
        var headers = headers
        headers[.contentType] = "application/problem+json"
        headers[.cacheControl] = "no-store"
        return Response(status: status, headers: headers, body: .init(byteBuffer: body))
    }

    /// The JSON document. Only texts and numbers are in it, so encoding it cannot fail; if it ever did, the status alone would be told.
    var body: ByteBuffer {
        (try? JSONText.encode(Document(problem: self))).map { ByteBuffer(string: $0 + "\n") } ?? ByteBuffer()
    }

    private struct Document: Encodable {
        let type: String
        let title: String
        let status: Int
        let detail: String?
        let errors: [InputProblem]?

        init(problem: Problem) {
            type = "urn:longtake:problem:\(problem.kind)"
            title = problem.title
            status = problem.status.code
            detail = problem.detail
            errors = problem.errors
        }
    }
}

extension Problem {
    static let notFound = Problem(
        kind: "not-found", status: .notFound, title: "Not found", detail: "There is nothing at this address.")
    static let noSuchJob = Problem(
        kind: "no-such-job", status: .notFound, title: "No such job", detail: "There is no job with this id.")

    static func badRequest(_ detail: String) -> Problem {
        Problem(kind: "bad-request", status: .badRequest, title: "Bad request", detail: detail)
    }

    static func badHeader(_ name: String, _ detail: String) -> Problem {
        Problem(kind: "bad-header", status: .badRequest, title: "Bad header value", detail: "\(name) \(detail).")
    }

    static func badQuery(_ name: String, _ detail: String) -> Problem {
        Problem(kind: "bad-query", status: .badRequest, title: "Bad query value", detail: "“\(name)” \(detail).")
    }

    static func unprocessable(_ errors: [InputProblem]) -> Problem {
        Problem(
            kind: "invalid-body", status: .unprocessableContent, title: "The body breaks a rule",
            detail: "See “errors” for each place and what is wrong with it.", errors: errors)
    }

    static let keyConflict = Problem(
        kind: "idempotency-conflict", status: .unprocessableContent, title: "The key was used with another body",
        detail: "An Idempotency-Key names one submission; use a new key for a new one.")

    static func methodNotAllowed(_ allowed: String) -> Problem {
        Problem(
            kind: "method-not-allowed", status: .methodNotAllowed, title: "Method not allowed",
            detail: "This address takes \(allowed).", headers: [.allow: allowed])
    }

    static let unknownMethod = Problem(
        kind: "unknown-method", status: .notImplemented, title: "Unknown method",
        detail: "No address here takes this method.")

    static func notAcceptable(_ offered: String) -> Problem {
        Problem(
            kind: "not-acceptable", status: .notAcceptable, title: "Not acceptable",
            detail: "This address offers \(offered).")
    }

    static let unsupportedMediaType = Problem(
        kind: "unsupported-media-type", status: .unsupportedMediaType, title: "Unsupported media type",
        detail: "The body must be application/json, and its Content-Type must say so.")

    static let bodyTooLarge = Problem(
        kind: "body-too-large", status: .contentTooLarge, title: "Body too large",
        detail: "A request body has at most \(Limits.requestBodyBytes) bytes.", closesConnection: true)

    static let headTooLarge = Problem(
        kind: "head-too-large", status: .requestHeaderFieldsTooLarge, title: "Headers too large",
        detail: "The request line and headers have at most \(Limits.requestHeadBytes) bytes in all.",
        closesConnection: true)

    static let requestTimeout = Problem(
        kind: "request-timeout", status: .requestTimeout, title: "Request timeout",
        detail: "The whole request has to arrive within 10 seconds.", closesConnection: true)

    static let malformedRequest = Problem(
        kind: "malformed-request", status: .badRequest, title: "Malformed request",
        detail: "This is not a request as HTTP/1.1 or HTTP/1.0 writes it.", closesConnection: true)

    static let unknownTransferCoding = Problem(
        kind: "unknown-transfer-coding", status: .notImplemented, title: "Unknown transfer coding",
        detail: "The only transfer coding is chunked.", closesConnection: true)

    static let unknownContentCoding = Problem(
        kind: "unknown-content-coding", status: .unsupportedMediaType, title: "Unknown content coding",
        detail: "A body must not be packed.", headers: [.acceptEncoding: "identity"], closesConnection: true)

    static let expectationFailed = Problem(
        kind: "expectation-failed", status: .expectationFailed, title: "Expectation failed",
        detail: "The only expectation that is met is 100-continue.", closesConnection: true)

    static func wrongState(_ detail: String) -> Problem {
        Problem(kind: "wrong-state", status: .conflict, title: "Wrong state", detail: detail)
    }

    static func unavailable(_ kind: String, _ detail: String) -> Problem {
        Problem(
            kind: kind, status: .serviceUnavailable, title: "Try again later", detail: detail,
            headers: [.retryAfter: "2"])
    }

    static let draining = Problem.unavailable("draining", "The daemon is about to stop; nothing was accepted.")
    static let tooMuchUnread = Problem.unavailable(
        "overloaded", "Too many answers wait for clients that do not take them; ask again, or for less at once.")
    /// Queues become shorter in seconds at the soonest.
    static let tooManyQueued = Problem(
        kind: "too-many-queued", status: .tooManyRequests, title: "Too many queued jobs",
        detail: "As many jobs are queued as may be; nothing was accepted.", headers: [.retryAfter: "10"])
    static let tooManyStreams = Problem(
        kind: "too-many-streams", status: .tooManyRequests, title: "Too many streams",
        detail: "As many streams are open as may be.", headers: [.retryAfter: "5"])

    static let tooManyWaits = Problem(
        kind: "too-many-waits", status: .tooManyRequests, title: "Too many requests wait",
        detail: "As many requests wait as may. Ask without waiting, or again later.", headers: [.retryAfter: "5"])
}
