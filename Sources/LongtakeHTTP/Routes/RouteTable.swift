import HTTPTypes
import Hummingbird
import LongtakeCore
import LongtakeStream
import NIOCore
import Synchronization

/// The router with what a plain one lacks: every address also knows which methods it does not take, and every method who may use it.
struct RouteTable {
    typealias Handler = @Sendable (Request, DaemonRequestContext) async throws -> Response

    /// What an address does with one method.
    struct Route: Sendable {
        /// What the caller needs; `nil` for what is everybody's.
        let right: Right?
        /// Whether a ticket may stand in for a key that has the right.
        let takesTicket: Bool
        /// What may stand in the query; `nil` where nobody looks, as with probes whose addresses are set by other people.
        let query: QueryNames?
        let handler: Handler

        static func needs(
            _ right: Right, orTicket: Bool = false, _ handler: @escaping Handler, query: QueryNames = QueryNames()
        ) -> Route {
            Route(
                right: right, takesTicket: orTicket, query: orTicket ? query.adding("ticket") : query, handler: handler)
        }

        static func open(_ handler: @escaping Handler) -> Route {
            Route(right: nil, takesTicket: false, query: nil, handler: handler)
        }
    }

    /// What is there, for whoever describes it.
    struct Entry: Hashable, Sendable {
        let path: String
        let method: HTTPRequest.Method
        let right: Right?
        let query: QueryNames?
    }

    let router: Router<DaemonRequestContext>
    let access: Access
    private(set) var entries: [Entry] = []

    init(router: Router<DaemonRequestContext>, access: Access) {
        self.router = router
        self.access = access
    }

    /// The methods of RFC 9110 §9 and PATCH. The connection answers any other with 501 before it comes here.
    static let methods: [HTTPRequest.Method] = [.get, .post, .put, .patch, .delete, .options, .trace, .connect]

    /// `HEAD` needs no entry: the connection asks for `GET` and leaves the body out.
    mutating func add(_ path: String, _ routes: [HTTPRequest.Method: Route]) {
        var names = routes.keys.map(\.rawValue)
        if routes[.get] != nil { names.append("HEAD") }
        let allowed = (names + ["OPTIONS"]).sorted().joined(separator: ", ")
        for method in Self.methods {
            if let route = routes[method] {
                entries.append(Entry(path: path, method: method, right: route.right, query: route.query))
                router.on(RouterPath(path), method: method, use: named(path, guarded(route)))
            } else if method == .options {
                router.on(RouterPath(path), method: method) { _, context in
                    context.exchange.route = path
                    return Response(status: .noContent, headers: [.allow: allowed])
                }
            } else {
                router.on(RouterPath(path), method: method) { _, context -> Response in
                    context.exchange.route = path
                    throw Problem.methodNotAllowed(allowed)
                }
            }
        }
    }

    /// Notes the route, for the access log.
    private func named(_ path: String, _ handler: @escaping Handler) -> Handler {
        { request, context in
            context.exchange.route = path
            return try await handler(request, context)
        }
    }

    private func guarded(_ route: Route) -> Handler {
        guard let right = route.right else { return route.handler }
        let access = access
        return { request, context in
            var context = context
            context.caller = try access.caller(of: request, for: right, takesTicket: route.takesTicket) {
                context.exchange.caller = $0
            }
            context.exchange.caller = context.caller
            // What a ticket is not for does not exist for whoever has it.
            if context.caller.jobs != nil, let text = context.parameters.get("id") {
                guard let job = JobID(text), context.caller.sees(job) else { throw Problem.noSuchJob }
            }
            try route.query?.check(Query(request))
            return try await route.handler(request, context)
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

/// A document whose members have an order of their own.
protocol JSONDocument {
    func write(into json: inout JSONWriter)
}

extension JobDocument: JSONDocument {}

extension Response {
    static func json(_ document: some JSONDocument, status: HTTPResponse.Status = .ok) -> Response {
        var json = JSONWriter(capacity: 1_536)
        document.write(into: &json)
        return .json(bytes: json.bytes, status: status)
    }

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
