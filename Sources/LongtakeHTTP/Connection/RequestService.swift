import HTTPTypes
import Hummingbird
import Logging
import LongtakeCore
import LongtakeStream
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1
import Synchronization

/// What all connections share: the routes, the streams, the policies, and the form of errors and
/// dates.
final class RequestService: Sendable {
    let hub: StreamHub
    let connections: ConnectionRegister
    private let requests: RequestCounts
    let transfers: TransferCounts
    /// The requests whose bodies are not collected.
    let uploads: UploadPaths
    /// How long a client may not read a download.
    let patience: DownloadPace.Patience
    let uploadMemory = UploadMemory()
    private let responder: RouterResponder<DaemonRequestContext>
    private let origins: OriginPolicy
    private let trustedProxies: TrustedProxies
    private let budget: ResponseBudget
    private let clock: any WallClock
    private let random: @Sendable () -> UInt64
    private let logger: Logger
    let accessLog: AccessLog
    /// Cached, because thousands of responses per second have the same date.
    private let lastDate = Mutex((second: Int64.min, text: ""))

    /// A response without the parts that the connection adds.
    struct PreparedResponse: Sendable {
        var response: Response
        var body: ByteBuffer
        /// The value of `Content-Length`. For a `HEAD`, it is the length of the body of the `GET`.
        var length: Int
        var stream: StreamOpening?
        /// The body, if it is a part of a file. Then ``body`` is empty.
        var file: FileBody?
        var isHead: Bool
        var closesConnection: Bool
        /// The memory of a large body, reserved until the client has read the body.
        var reservation: ResponseBudget.Reservation?
    }

    init(
        responder: RouterResponder<DaemonRequestContext>, hub: StreamHub, connections: ConnectionRegister,
        requests: RequestCounts, transfers: TransferCounts = TransferCounts(), uploads: UploadPaths,
        access: AccessConfiguration, accessLog: AccessLogMode,
        budget: ResponseBudget, patience: DownloadPace.Patience = DownloadPace.Patience(),
        clock: any WallClock,
        random: @escaping @Sendable () -> UInt64, logger: Logger
    ) {
        self.responder = responder
        self.hub = hub
        self.connections = connections
        self.requests = requests
        self.transfers = transfers
        self.uploads = uploads
        self.patience = patience
        self.accessLog = AccessLog(accessLog, logger: logger)
        origins = OriginPolicy(access)
        trustedProxies = access.trustedProxies
        self.budget = budget
        self.clock = clock
        self.random = random
        self.logger = logger
    }

    /// Responds to one request. Every error becomes a problem here.
    /// - Parameter requestBody: complete, or the body of an upload that still arrives.
    func respond(
        to requestHead: HTTPRequestHead, _ requestBody: RequestBody, _ exchange: RequestExchange
    ) async -> PreparedResponse {
        let isHead = requestHead.method == .HEAD
        var logger = logger
        logger[metadataKey: "request_id"] = "\(exchange.requestID)"
        var (closesConnection, isAbandoned) = (false, false)
        var response: Response
        var body: ByteBuffer
        var reservation: ResponseBudget.Reservation?
        var file: FileBody?
        do {
            var head = try HTTPRequest(requestHead, secure: false, splitCookie: false)
            if isHead {
                head.method = .get
                // Only `GET` has ranges (RFC 9110 §14.2).
                head.headerFields[.range] = nil
            }
            guard RouteTable.methods.contains(head.method) else { throw Problem.unknownMethod }
            if let refusal = origins.refusal(of: OriginPolicy.Source(requestHead, exchange.forwarding)) {
                throw refusal
            }
            if let headers = origins.preflight(requestHead) {
                response = Response(status: .noContent, headers: headers)
            } else {
                let request = Request(head: head, body: requestBody)
                let context = DaemonRequestContext(source: ExchangeSource(logger: logger, exchange: exchange))
                response = try await responder.respond(to: request, context: context)
            }
            body = try await Self.collect(response.body)
            file = exchange.takeFile()
            if !isHead {
                // Always deliver the response to a write, even when the budget is used up.
                reservation = try budget.reserve(
                    body.readableBytes, for: exchange.account, mayRefuse: requestHead.method == .GET)
            }
        } catch {
            file = nil
            let problem = Problem(error)
            if problem.status == .internalServerError {
                logger.error("request failed", metadata: ["path": "\(Self.path(requestHead))", "error": "\(error)"])
            }
            (response, body) = (problem.response(), problem.body)
            closesConnection = problem.closesConnection
            isAbandoned = error is CancellationError
        }
        // The client has disconnected and gets no response, so the 503 is not counted as an error.
        if !isAbandoned { requests.count(requestHead.method.rawValue, status: response.status.code) }
        addCommonHeaders(to: &response, for: requestHead.headers.first(name: "origin"), exchange)
        logger.debug(
            "request",
            metadata: [
                "method": "\(requestHead.method)", "path": "\(Self.path(requestHead))",
                "status": "\(response.status.code)",
            ])
        return PreparedResponse(
            response: response, body: body, length: file.map { Int($0.length) } ?? body.readableBytes,
            stream: exchange.takeStream(), file: file, isHead: isHead, closesConnection: closesConnection,
            reservation: reservation)
    }

    /// Makes the exchange of a new request.
    /// - Parameter headers: empty if the request could not be parsed.
    func exchange(_ headers: HTTPHeaders, from peer: SocketAddress?) -> RequestExchange {
        RequestExchange(
            forwarding: Forwarding(peer: peer, headers: headers, trusting: trustedProxies), random: random)
    }

    /// Adds the headers of every response: the request's id and those for browsers.
    /// - Parameter origin: the request's `Origin` header; `nil` if the request could not be parsed.
    func addCommonHeaders(to response: inout Response, for origin: String?, _ exchange: RequestExchange) {
        response.headers[.requestID] = exchange.requestID
        origins.addHeaders(to: &response.headers, for: origin)
        SecurityHeaders.add(to: &response.headers)
    }

    /// Counts a request that was refused before it was complete.
    func count(refusal: Problem) { requests.count(nil, status: refusal.status.code) }

    /// The path without the query. The query may contain a ticket, which must not be logged.
    private static func path(_ head: HTTPRequestHead) -> Substring {
        head.uri.prefix { $0 != "?" }
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

    /// The body as one buffer. The bodies of the routes are small and in memory. Streams do not
    /// come here.
    private static func collect(_ body: ResponseBody) async throws -> ByteBuffer {
        let collected = BodyCollector()
        try await body.write(collected)
        return collected.bytes
    }
}

/// Bounds the memory of all responses that clients have not read yet. A client that sends requests
/// and reads no responses cannot use up the memory of the others.
final class ResponseBudget: Sendable {
    /// Reserved bytes. They return to the budget when the last reference is released.
    final class Reservation: Sendable {
        private let release: @Sendable () -> Void

        fileprivate init(release: @escaping @Sendable () -> Void) { self.release = release }

        deinit { release() }
    }

    private struct State {
        var bytes = 0
        /// The key `nil` counts all callers without an account.
        var byAccount: [String?: Int] = [:]
    }

    private let state = Mutex(State())
    private let limit: Int
    private let limitPerAccount: Int
    private let limitWithoutAccount: Int

    /// - Parameters:
    ///   - limit: bytes of all responses.
    ///   - limitPerAccount: bytes of the responses to one account.
    ///   - limitWithoutAccount: bytes of the responses to all callers without an account.
    init(
        limit: Int = HTTPLimits.unreadResponseBytes,
        limitPerAccount: Int = HTTPLimits.unreadResponseBytesPerKey, limitWithoutAccount: Int
    ) {
        self.limit = limit
        self.limitPerAccount = limitPerAccount
        self.limitWithoutAccount = limitWithoutAccount
    }

    /// The reserved bytes.
    var bytes: Int { state.withLock { $0.bytes } }

    /// Reserves memory for a response.
    /// - Parameter mayRefuse: whether the response may be replaced with an error. The response to a
    ///   write may not: the client must learn that the write happened.
    /// - Returns: `nil` for a small response, which the kernel takes at once.
    /// - Throws: ``Problem`` with 503 if the budget or the account's part of it is used up.
    func reserve(_ bytes: Int, for account: String?, mayRefuse: Bool) throws(Problem) -> Reservation? {
        guard bytes > HTTPLimits.responsePieceBytes else { return nil }
        let isReserved = state.withLock { state in
            let own = state.byAccount[account, default: 0]
            let fits =
                state.bytes + bytes <= limit
                && own + bytes <= (account == nil ? limitWithoutAccount : limitPerAccount)
            guard fits || !mayRefuse else { return false }
            state.bytes += bytes
            state.byAccount[account] = own + bytes
            return true
        }
        guard isReserved else { throw .tooManyUnreadResponses }
        return Reservation { [weak self] in self?.release(bytes, of: account) }
    }

    private func release(_ bytes: Int, of account: String?) {
        state.withLock { state in
            state.bytes -= bytes
            let left = state.byAccount[account, default: bytes] - bytes
            state.byAccount[account] = left > 0 ? left : nil
        }
    }
}

/// Collects the body of a response in one buffer.
private final class BodyCollector: ResponseBodyWriter, Sendable {
    private let buffer = Mutex(ByteBuffer())

    var bytes: ByteBuffer { buffer.withLock { $0 } }

    func write(_ bytes: ByteBuffer) async throws { _ = buffer.withLock { $0.writeImmutableBuffer(bytes) } }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

/// Formats a time for HTTP, such as `Fri, 20 Nov 2026 12:00:00 GMT` (IMF-fixdate, RFC 9110 §5.6.7).
enum HTTPDate {
    static func text(_ time: Timestamp) -> String {
        // 1 January 1970 was a Thursday.
        let days = (time.millisecondsSince1970 / 86_400_000 + 4) % 7
        let fields = time.description.split(whereSeparator: { "-T.".contains($0) })
        let month = months[(Int(fields[1]) ?? 1) - 1]
        return "\(weekdays[Int(days)]), \(fields[2]) \(month) \(fields[0]) \(fields[3]) GMT"
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}
