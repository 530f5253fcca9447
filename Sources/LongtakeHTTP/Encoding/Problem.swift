import HTTPTypes
import Hummingbird
import LongtakeAPI
import LongtakeCore
import NIOCore
import NIOHTTPTypesHTTP1

/// An error response: `application/problem+json` (RFC 9457). It never contains a stack trace, a
/// path or SQL.
struct Problem: Error, Sendable {
    var type: ProblemType
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
        let document = ProblemDocument(
            type: type, title: title, status: status.code, detail: detail, errors: errors)
        return (try? JSONText.encode(document)).map { ByteBuffer(string: $0 + "\n") } ?? ByteBuffer()
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
        case let error as FileStoreError:
            self = Problem(error)
        case is BackupsUnanswered:
            self = .unavailable(
                .backupsUnanswered,
                "The disk of the backup directory does not respond. No backup was started.")
        case let error as HTTPError where error.status == .notFound:
            self = .notFound
        case let error as HTTPError where error.status.kind == .clientError:
            self = Problem(
                type: .badRequest, status: error.status, title: error.status.reasonPhrase, detail: error.body)
        case is HTTP1TypeConversionError:
            self = .malformedRequest
        case is CancellationError:
            self = .unavailable(.canceled, "The connection closed before there was a response.")
        default:
            self = Problem(type: .internal, status: .internalServerError, title: "Internal error", detail: nil)
        }
    }

    init(_ error: FileStoreError) {
        switch error {
        case .full: self = .diskFull
        case .tooLarge:
            self = Problem(
                type: .fileTooLarge, status: .contentTooLarge, title: "File too large",
                detail: "The content is larger than the limit.")
        case .failed:
            self = .unavailable(.unavailable, "The files could not be read or written. Try again later.")
        }
    }

    init(_ error: JournalError) {
        switch error {
        case .overloaded:
            self = .unavailable(.overloaded, "Too many requests wait for the disk. Nothing was accepted.")
        case .cannotRead:
            self = .unavailable(.unavailable, "The database could not be read. Try again later.")
        case .cannotPersist:
            self = .unavailable(.cannotPersist, "The database cannot persist data at present. Nothing was accepted.")
        case .outcomeUnknown:
            self = .unavailable(.outcomeUnknown, "The disk failed. The daemon restarts to find out what is stored.")
        case .unanswered:
            self = .unavailable(
                .outcomeUnknown,
                "The disk does not respond, so it is not known whether this request was accepted. To find out, repeat the request with the same Idempotency-Key. Without a key, repeating it may submit a second job."
            )
        case .closed, .gone:
            self = .draining
        case .tooManyQueued:
            self = .tooManyQueued
        case .tooManyBytes:
            self = .tooManyBytes
        case .invalidReferences(let problems):
            self = .unprocessable(problems)
        case .noSuchJob:
            self = .noSuchJob
        case .noSuchFile:
            self = .noSuchFile
        case .refused(.fileInUse):
            self = .wrongState("A job refers to the file. Delete the job first, or wait until it is removed.")
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
        type: .notFound, status: .notFound, title: "Not found", detail: "No route has this path.")
    static let noSuchJob = Problem(
        type: .noSuchJob, status: .notFound, title: "No such job", detail: "No job has this id.")

    static let noSuchFile = Problem(
        type: .noSuchFile, status: .notFound, title: "No such file", detail: "No file has this id.")

    static func badRequest(_ detail: String) -> Problem {
        Problem(type: .badRequest, status: .badRequest, title: "Bad request", detail: detail)
    }

    static func badHeader(_ name: String, _ detail: String) -> Problem {
        Problem(type: .badHeader, status: .badRequest, title: "Bad header value", detail: "\(name) \(detail).")
    }

    static func badQuery(_ name: String, _ detail: String) -> Problem {
        Problem(type: .badQuery, status: .badRequest, title: "Bad query value", detail: "“\(name)” \(detail).")
    }

    static func unprocessable(_ errors: [InputProblem]) -> Problem {
        Problem(
            type: .invalidBody, status: .unprocessableContent, title: "The body breaks a rule",
            detail: "“errors” lists what is wrong and where.", errors: errors)
    }

    static let keyConflict = Problem(
        type: .idempotencyConflict, status: .unprocessableContent, title: "The key was used with another body",
        detail: "Another request has used this Idempotency-Key. Use a new key for a new request.")

    static func methodNotAllowed(_ allowed: String) -> Problem {
        Problem(
            type: .methodNotAllowed, status: .methodNotAllowed, title: "Method not allowed",
            detail: "This route accepts \(allowed).", headers: [.allow: allowed])
    }

    static let unknownMethod = Problem(
        type: .unknownMethod, status: .notImplemented, title: "Unknown method",
        detail: "No route accepts this method.")

    static func notAcceptable(_ offered: String) -> Problem {
        Problem(
            type: .notAcceptable, status: .notAcceptable, title: "Not acceptable",
            detail: "This route responds with \(offered).")
    }

    static let unsupportedMediaType = Problem(
        type: .unsupportedMediaType, status: .unsupportedMediaType, title: "Unsupported media type",
        detail: "The body must be application/json, and its Content-Type must say so.")

    static let bodyTooLarge = Problem(
        type: .bodyTooLarge, status: .contentTooLarge, title: "Body too large",
        detail: "The limit for a request body is \(HTTPLimits.requestBodyBytes) bytes.", closesConnection: true)

    static let headTooLarge = Problem(
        type: .headTooLarge, status: .requestHeaderFieldsTooLarge, title: "Headers too large",
        detail: "The limit for the request line and all headers is \(HTTPLimits.requestHeadBytes) bytes.",
        closesConnection: true)

    static let requestTimeout = Problem(
        type: .requestTimeout, status: .requestTimeout, title: "Request timeout",
        detail: "The whole request must arrive within 10 seconds.", closesConnection: true)

    static let uploadTooSlow = Problem(
        type: .uploadTooSlow, status: .requestTimeout, title: "Upload too slow",
        detail: "64 KiB of an upload must arrive in each 10 seconds.", closesConnection: true)

    static let malformedRequest = Problem(
        type: .malformedRequest, status: .badRequest, title: "Malformed request",
        detail: "This is not a valid HTTP/1.1 or HTTP/1.0 request.", closesConnection: true)

    static let unknownTransferCoding = Problem(
        type: .unknownTransferCoding, status: .notImplemented, title: "Unknown transfer coding",
        detail: "The only supported transfer coding is chunked.", closesConnection: true)

    static let unknownContentCoding = Problem(
        type: .unknownContentCoding, status: .unsupportedMediaType, title: "Unknown content coding",
        detail: "The body must not be compressed.", headers: [.acceptEncoding: "identity"], closesConnection: true)

    static let expectationFailed = Problem(
        type: .expectationFailed, status: .expectationFailed, title: "Expectation failed",
        detail: "The only supported expectation is 100-continue.", closesConnection: true)

    static func wrongState(_ detail: String) -> Problem {
        Problem(type: .wrongState, status: .conflict, title: "Wrong state", detail: detail)
    }

    static func unavailable(_ type: ProblemType, _ detail: String) -> Problem {
        Problem(
            type: type, status: .serviceUnavailable, title: "Try again later", detail: detail,
            headers: [.retryAfter: "2"])
    }

    static let draining = Problem.unavailable(.draining, "The daemon is shutting down. Nothing was accepted.")
    static let tooManyUnreadResponses = Problem.unavailable(
        .overloaded, "Too many responses wait for clients that do not read them. Try again, or request less data.")
    /// `Retry-After` is longer here, because queues take seconds to get shorter.
    static let tooManyQueued = Problem(
        type: .tooManyQueued, status: .tooManyRequests, title: "Too many queued jobs",
        detail: "The limit of queued jobs is reached. Nothing was accepted.", headers: [.retryAfter: "10"])
    static let tooManyBytes = Problem(
        type: .tooManyBytes, status: .tooManyRequests, title: "Too many bytes",
        detail: "The quota for uploaded files is reached. Delete files, or wait until older ones expire.",
        headers: [.retryAfter: "60"])
    static let tooManyStreams = Problem(
        type: .tooManyStreams, status: .tooManyRequests, title: "Too many streams",
        detail: "The limit of open streams is reached.", headers: [.retryAfter: "5"])

    static let tooManyWaits = Problem(
        type: .tooManyWaits, status: .tooManyRequests, title: "Too many requests wait",
        detail: "The limit of waiting requests is reached. Repeat the request without a wait, or later.",
        headers: [.retryAfter: "5"])
}
