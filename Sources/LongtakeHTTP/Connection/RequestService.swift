import HTTPTypes
import Hummingbird
import Logging
import LongtakeCore
import LongtakeStream
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1
import Synchronization

/// What all connections share: the routes, the streams, and how errors and dates are told.
final class RequestService: Sendable {
    let hub: StreamHub
    let connections: ConnectionRegister
    private let requests: RequestCounts
    private let responder: RouterResponder<DaemonRequestContext>
    private let origins: OriginPolicy
    private let trustedProxies: TrustedProxies
    private let room: AnswerRoom
    private let clock: any WallClock
    private let random: @Sendable () -> UInt64
    private let logger: Logger
    let accessLog: AccessLog
    /// Thousands of responses a second have the same date.
    private let lastDate = Mutex((second: Int64.min, text: ""))

    /// A response that is complete but for its connection's part.
    struct Answer: Sendable {
        var response: Response
        var body: ByteBuffer
        /// What `Content-Length` says; of the body that `GET` would have, for a `HEAD`.
        var length: Int
        var stream: StreamOpening?
        var isHead: Bool
        var closesConnection: Bool
        /// Of a body that is large: to be kept until the client has taken it.
        var room: AnswerRoom.Part?
    }

    init(
        responder: RouterResponder<DaemonRequestContext>, hub: StreamHub, connections: ConnectionRegister,
        requests: RequestCounts, access: AccessConfiguration, accessLog: AccessLogMode, room: AnswerRoom,
        clock: any WallClock,
        random: @escaping @Sendable () -> UInt64, logger: Logger
    ) {
        self.responder = responder
        self.hub = hub
        self.connections = connections
        self.requests = requests
        self.accessLog = AccessLog(accessLog, logger: logger)
        origins = OriginPolicy(access)
        trustedProxies = access.trustedProxies
        self.room = room
        self.clock = clock
        self.random = random
        self.logger = logger
    }

    /// Answers one request; every error becomes a problem here.
    func answer(_ received: ConnectionState.Received, _ exchange: RequestExchange) async -> Answer {
        let isHead = received.head.method == .HEAD
        var logger = logger
        logger[metadataKey: "request_id"] = "\(exchange.requestID)"
        var (closesConnection, isAbandoned) = (false, false)
        var response: Response
        var body: ByteBuffer
        var part: AnswerRoom.Part?
        do {
            var head = try HTTPRequest(received.head, secure: false, splitCookie: false)
            if isHead { head.method = .get }
            guard RouteTable.methods.contains(head.method) else { throw Problem.unknownMethod }
            if let refusal = origins.refusal(of: OriginPolicy.Sender(received.head, exchange.forwarding)) {
                throw refusal
            }
            if let headers = origins.preflight(received.head) {
                response = Response(status: .noContent, headers: headers)
            } else {
                let request = Request(head: head, body: RequestBody(buffer: received.body))
                let context = DaemonRequestContext(source: ExchangeSource(logger: logger, exchange: exchange))
                response = try await responder.respond(to: request, context: context)
            }
            body = try await Self.collect(response.body)
            if !isHead {
                // What was changed was changed, and whoever asked for that is told so, room or not.
                part = try room.take(
                    body.readableBytes, for: exchange.account, mayRefuse: received.head.method == .GET)
            }
        } catch {
            let problem = Problem(error)
            if problem.status == .internalServerError {
                logger.error("request failed", metadata: ["path": "\(Self.path(received))", "error": "\(error)"])
            }
            (response, body) = (problem.response(), problem.body)
            closesConnection = problem.closesConnection
            isAbandoned = error is CancellationError
        }
        // What nobody is there for any more is no answer, and its 503 no sign of trouble.
        if !isAbandoned { requests.count(received.head.method.rawValue, status: response.status.code) }
        dress(&response, for: received.head.headers.first(name: "origin"), exchange)
        logger.debug(
            "request",
            metadata: [
                "method": "\(received.head.method)", "path": "\(Self.path(received))",
                "status": "\(response.status.code)",
            ])
        return Answer(
            response: response, body: body, length: body.readableBytes, stream: exchange.takeStream(), isHead: isHead,
            closesConnection: closesConnection, room: part)
    }

    /// A request that begins.
    /// - Parameter headers: of the request; none if it could not be read.
    func exchange(_ headers: HTTPHeaders, from peer: SocketAddress?) -> RequestExchange {
        RequestExchange(
            forwarding: Forwarding(peer: peer, headers: headers, trusting: trustedProxies), random: random)
    }

    /// Adds the headers that every response carries: the request's id, and those for browsers.
    /// - Parameter origin: of the page that sent the request; `nil` if no page did, or if the request could not be read.
    func dress(_ response: inout Response, for origin: String?, _ exchange: RequestExchange) {
        response.headers[.requestID] = exchange.requestID
        origins.dress(&response.headers, for: origin)
        SecurityHeaders.add(to: &response.headers)
    }

    /// Counts a request that was refused before it could be read.
    func count(refusal: Problem) { requests.count(nil, status: refusal.status.code) }

    /// The address without its query, which may hold a ticket: those are not for logs.
    private static func path(_ received: ConnectionState.Received) -> Substring {
        received.head.uri.prefix { $0 != "?" }
    }

    /// The `Date` of a response (RFC 9110 §6.6.1).
    func date() -> String {
        let time = clock.now()
        let second = time.millisecondsSince1970 / 1_000
        return lastDate.withLock { last in
            if last.second != second { last = (second, HTTPDate.text(time)) }
            return last.text
        }
    }

    /// The body as one buffer. Our routes' bodies are small and in memory already; streams do not come this way.
    private static func collect(_ body: ResponseBody) async throws -> ByteBuffer {
        let collected = CollectedBody()
        try await body.write(collected)
        return collected.bytes
    }
}
