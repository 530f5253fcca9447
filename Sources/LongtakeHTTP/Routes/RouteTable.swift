import HTTPTypes
import Hummingbird
import LongtakeCore
import LongtakeStream
import Synchronization

/// Adds routes to the router. Each path responds to the methods that it does not accept, and each
/// route checks the rights of the caller.
struct RouteTable {
    typealias Handler = @Sendable (Request, DaemonRequestContext) async throws -> Response

    /// How a path handles one method.
    struct Route: Sendable {
        /// The right that the caller needs; `nil` if the route is open to all.
        let right: Right?
        /// Whether the route accepts a ticket instead of a key with the right.
        let acceptsTicket: Bool
        /// The accepted query parameters. `nil` for any, as with probes, whose URLs other programs
        /// choose.
        let query: QueryNames?
        /// Whether the route is called before the body of the request arrives.
        var isUpload = false
        let handler: Handler

        static func needs(
            _ right: Right, orTicket: Bool = false, _ handler: @escaping Handler, query: QueryNames = QueryNames()
        ) -> Route {
            Route(
                right: right, acceptsTicket: orTicket, query: orTicket ? query.adding("ticket") : query,
                handler: handler)
        }

        /// A route that reads the body of the request as it arrives, in buffers of any size and for
        /// as long as the client takes. All other routes get the whole body, which is small.
        ///
        /// If the client has announced `Expect: 100-continue`, it sends the body only when the
        /// route reads the first buffer. If the route responds before the end of the body, the
        /// connection closes after the response.
        static func upload(_ right: Right, _ handler: @escaping Handler, query: QueryNames = QueryNames()) -> Route {
            Route(right: right, acceptsTicket: false, query: query, isUpload: true, handler: handler)
        }

        static func open(_ handler: @escaping Handler) -> Route {
            Route(right: nil, acceptsTicket: false, query: nil, handler: handler)
        }
    }

    /// A route, for the test of the OpenAPI document.
    struct Entry: Hashable, Sendable {
        let path: String
        let method: HTTPRequest.Method
        let right: Right?
        let query: QueryNames?
    }

    let router: Router<DaemonRequestContext>
    let access: AccessControl
    private(set) var entries: [Entry] = []
    /// The routes that read the body of the request as it arrives.
    private(set) var uploads = UploadPaths()

    init(router: Router<DaemonRequestContext>, access: AccessControl) {
        self.router = router
        self.access = access
    }

    /// The methods of RFC 9110 §9 and PATCH. The connection responds to all others with 501.
    static let methods: [HTTPRequest.Method] = [.get, .post, .put, .patch, .delete, .options, .trace, .connect]

    /// Adds the routes of a path. `HEAD` needs none: the connection calls `GET` and omits the body.
    mutating func add(_ path: String, _ routes: [HTTPRequest.Method: Route]) {
        var names = routes.keys.map(\.rawValue)
        if routes[.get] != nil { names.append("HEAD") }
        let allowed = (names + ["OPTIONS"]).sorted().joined(separator: ", ")
        for method in Self.methods {
            if let route = routes[method] {
                if route.isUpload { uploads.add(method, path) }
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

    /// Records the route for the access log.
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
            context.caller = try access.caller(of: request, for: right, acceptsTicket: route.acceptsTicket) {
                context.exchange.caller = $0
            }
            context.exchange.caller = context.caller
            // For the holder of a ticket, all other jobs do not exist.
            if context.caller.jobs != nil, let text = context.parameters.get("id") {
                guard let job = JobID(text), context.caller.mayRead(job) else { throw Problem.noSuchJob }
            }
            try route.query?.check(Query(request))
            return try await route.handler(request, context)
        }
    }
}

/// Whether the daemon accepts new work. It closes when the shutdown starts.
final class Admission: Sendable {
    private let open = Mutex(true)

    var isOpen: Bool { open.withLock { $0 } }

    func close() { open.withLock { $0 = false } }
}

extension DaemonRequestContext {
    /// The job id in the path.
    /// - Throws: ``Problem`` with 404 if the text is not a job id.
    func jobID() throws -> JobID {
        guard let text = parameters.get("id"), let id = JobID(text) else { throw Problem.noSuchJob }
        return id
    }
}
