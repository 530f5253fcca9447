import HTTPTypes
import Hummingbird
import LongtakeCore
import NIOCore
import NIOHTTPTypesHTTP1

/// An error response: `application/problem+json` (RFC 9457). It never contains a stack trace, a
/// path or SQL.
struct Problem: Error, Sendable {
    /// The last part of `type`, `urn:longtake:problem:…`. Programs rely on it, so it does not
    /// change.
    var kind: String
    var status: HTTPResponse.Status
    var title: String
    var detail: String?
    /// The errors in the body, for a 422.
    var errors: [InputProblem]?
    var headers = HTTPFields()
    /// Whether the connection must close, because the daemon cannot tell where the next request
    /// begins.
    var closesConnection = false

    func response() -> Response {
        var headers = headers
        headers[.contentType] = "application/problem+json"
        headers[.cacheControl] = "no-store"
        return Response(status: status, headers: headers, body: .init(byteBuffer: body))
    }

    /// The JSON document. Encoding strings and numbers cannot fail. If it did, the body would be
    /// empty.
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
    /// Translates every error into a status. An unknown error becomes a 500 without detail; the
    /// caller logs it in full.
    init(_ error: any Error) {
        switch error {
        case let problem as Problem:
            self = problem
        case let invalid as InvalidInput:
            self = .unprocessable(invalid.problems)
        case let error as JournalError:
            self = Problem(error)
        case is BackupsUnanswered:
            self = .unavailable(
                "backups-unanswered",
                "The disk of the backup directory does not respond. No backup was started.")
        case let error as HTTPError where error.status == .notFound:
            self = .notFound
        case let error as HTTPError where error.status.kind == .clientError:
            self = Problem(
                kind: "bad-request", status: error.status, title: error.status.reasonPhrase, detail: error.body)
        case is HTTP1TypeConversionError:
            self = .malformedRequest
        case is CancellationError:
            self = .unavailable("canceled", "The connection closed before there was a response.")
        default:
            self = Problem(kind: "internal", status: .internalServerError, title: "Internal error", detail: nil)
        }
    }

    init(_ error: JournalError) {
        switch error {
        case .overloaded:
            self = .unavailable("overloaded", "Too many requests wait for the disk. Nothing was accepted.")
        case .cannotRead:
            self = .unavailable("unavailable", "The database could not be read. Try again later.")
        case .cannotPersist:
            self = .unavailable("cannot-persist", "The database cannot persist data at present. Nothing was accepted.")
        case .outcomeUnknown:
            self = .unavailable("outcome-unknown", "The disk failed. The daemon restarts to find out what is stored.")
        case .unanswered:
            self = .unavailable(
                "outcome-unknown",
                "The disk does not respond, so it is not known whether this request was accepted. To find out, repeat the request with the same Idempotency-Key. Without a key, repeating it may submit a second job."
            )
        case .closed:
            self = .draining
        case .tooManyQueued:
            self = .tooManyQueued
        case .noSuchJob:
            self = .noSuchJob
        case .refused(.notFinal):
            self = .wrongState("Only a finished job can be deleted. Cancel the job first.")
        case .refused(.notRetryable):
            self = .wrongState("Only a job that has failed or was canceled can be retried.")
        case .refused, .notOwner:
            self = .wrongState("The state of the job does not allow this.")
        }
    }
}

/// Turns the router's errors into problems, before the router responds to them in its own format.
struct ProblemMiddleware: RouterMiddleware {
    typealias Context = DaemonRequestContext

    func handle(
        _ request: Request, context: DaemonRequestContext,
        next: (Request, DaemonRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as any HTTPResponseError {
            throw Problem(error)
        }
    }
}

extension Problem {
    static let notFound = Problem(
        kind: "not-found", status: .notFound, title: "Not found", detail: "No route has this path.")
    static let noSuchJob = Problem(
        kind: "no-such-job", status: .notFound, title: "No such job", detail: "No job has this id.")

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
            detail: "“errors” lists what is wrong and where.", errors: errors)
    }

    static let keyConflict = Problem(
        kind: "idempotency-conflict", status: .unprocessableContent, title: "The key was used with another body",
        detail: "Another request has used this Idempotency-Key. Use a new key for a new request.")

    static func methodNotAllowed(_ allowed: String) -> Problem {
        Problem(
            kind: "method-not-allowed", status: .methodNotAllowed, title: "Method not allowed",
            detail: "This route accepts \(allowed).", headers: [.allow: allowed])
    }

    static let unknownMethod = Problem(
        kind: "unknown-method", status: .notImplemented, title: "Unknown method",
        detail: "No route accepts this method.")

    static func notAcceptable(_ offered: String) -> Problem {
        Problem(
            kind: "not-acceptable", status: .notAcceptable, title: "Not acceptable",
            detail: "This route responds with \(offered).")
    }

    static let unsupportedMediaType = Problem(
        kind: "unsupported-media-type", status: .unsupportedMediaType, title: "Unsupported media type",
        detail: "The body must be application/json, and its Content-Type must say so.")

    static let bodyTooLarge = Problem(
        kind: "body-too-large", status: .contentTooLarge, title: "Body too large",
        detail: "The limit for a request body is \(Limits.requestBodyBytes) bytes.", closesConnection: true)

    static let headTooLarge = Problem(
        kind: "head-too-large", status: .requestHeaderFieldsTooLarge, title: "Headers too large",
        detail: "The limit for the request line and all headers is \(Limits.requestHeadBytes) bytes.",
        closesConnection: true)

    static let requestTimeout = Problem(
        kind: "request-timeout", status: .requestTimeout, title: "Request timeout",
        detail: "The whole request must arrive within 10 seconds.", closesConnection: true)

    static let malformedRequest = Problem(
        kind: "malformed-request", status: .badRequest, title: "Malformed request",
        detail: "This is not a valid HTTP/1.1 or HTTP/1.0 request.", closesConnection: true)

    static let unknownTransferCoding = Problem(
        kind: "unknown-transfer-coding", status: .notImplemented, title: "Unknown transfer coding",
        detail: "The only supported transfer coding is chunked.", closesConnection: true)

    static let unknownContentCoding = Problem(
        kind: "unknown-content-coding", status: .unsupportedMediaType, title: "Unknown content coding",
        detail: "The body must not be compressed.", headers: [.acceptEncoding: "identity"], closesConnection: true)

    static let expectationFailed = Problem(
        kind: "expectation-failed", status: .expectationFailed, title: "Expectation failed",
        detail: "The only supported expectation is 100-continue.", closesConnection: true)

    static func wrongState(_ detail: String) -> Problem {
        Problem(kind: "wrong-state", status: .conflict, title: "Wrong state", detail: detail)
    }

    static func unavailable(_ kind: String, _ detail: String) -> Problem {
        Problem(
            kind: kind, status: .serviceUnavailable, title: "Try again later", detail: detail,
            headers: [.retryAfter: "2"])
    }

    static let draining = Problem.unavailable("draining", "The daemon is shutting down. Nothing was accepted.")
    static let tooManyUnreadResponses = Problem.unavailable(
        "overloaded", "Too many responses wait for clients that do not read them. Try again, or request less data.")
    /// `Retry-After` is longer here, because queues take seconds to get shorter.
    static let tooManyQueued = Problem(
        kind: "too-many-queued", status: .tooManyRequests, title: "Too many queued jobs",
        detail: "The limit of queued jobs is reached. Nothing was accepted.", headers: [.retryAfter: "10"])
    static let tooManyStreams = Problem(
        kind: "too-many-streams", status: .tooManyRequests, title: "Too many streams",
        detail: "The limit of open streams is reached.", headers: [.retryAfter: "5"])

    static let tooManyWaits = Problem(
        kind: "too-many-waits", status: .tooManyRequests, title: "Too many requests wait",
        detail: "The limit of waiting requests is reached. Repeat the request without a wait, or later.",
        headers: [.retryAfter: "5"])
}
