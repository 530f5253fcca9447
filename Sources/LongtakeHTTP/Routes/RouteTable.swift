import HTTPTypes
import Hummingbird
import LongtakeCore
import NIOCore
import Synchronization

/// The router with what a plain one lacks: every address also knows which methods it does not take.
struct RouteTable {
    typealias Handler = @Sendable (Request, DaemonRequestContext) async throws -> Response

    let router: Router<DaemonRequestContext>

    /// The methods of RFC 9110 §9 and PATCH. The connection answers any other with 501 before it comes here.
    static let methods: [HTTPRequest.Method] = [.get, .post, .put, .patch, .delete, .options, .trace, .connect]

    /// `HEAD` needs no entry: the connection asks for `GET` and leaves the body out.
    func add(_ path: String, _ handlers: [HTTPRequest.Method: Handler]) {
        var names = handlers.keys.map(\.rawValue)
        if handlers[.get] != nil { names.append("HEAD") }
        let allowed = (names + ["OPTIONS"]).sorted().joined(separator: ", ")
        for method in Self.methods {
            if let handler = handlers[method] {
                router.on(RouterPath(path), method: method, use: handler)
            } else if method == .options {
                router.on(RouterPath(path), method: method) { _, _ in
                    Response(status: .noContent, headers: [.allow: allowed])
                }
            } else {
                router.on(RouterPath(path), method: method) { _, _ -> Response in
                    throw Problem.methodNotAllowed(allowed)
                }
            }
        }
    }
}

/// Whether new work is taken in.
final class Admission: Sendable {
    private let open = Mutex(true)

    var isOpen: Bool { open.withLock { $0 } }

    func close() { open.withLock { $0 = false } }
}

extension DaemonRequestContext {
    /// The job in the path. What is not an id names no job.
    func jobID() throws -> JobID {
        guard let text = parameters.get("id"), let id = JobID(text) else { throw Problem.noSuchJob }
        return id
    }
}

extension Request {
    /// Refuses a client that takes no JSON, on an address that has nothing else.
    func requireJSON() throws {
        guard Acceptance(headers[.accept]).choose(from: [MediaTypes.json]) != nil else {
            throw Problem.notAcceptable(MediaTypes.json)
        }
    }
}

extension Response {
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        .json(bytes: try JSONText.data(value), status: status)
    }

    /// - Parameter bytes: the whole document. A line's end is added, for those who read it in a terminal.
    static func json(bytes: some Sequence<UInt8>, status: HTTPResponse.Status = .ok) -> Response {
        var body = ByteBuffer(bytes: bytes)
        body.writeInteger(UInt8(ascii: "\n"))
        return Response(
            status: status, headers: [.contentType: MediaTypes.json, .cacheControl: "no-store"],
            body: .init(byteBuffer: body))
    }
}
