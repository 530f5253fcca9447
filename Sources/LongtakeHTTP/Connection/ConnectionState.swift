import LongtakeCore
import NIOCore
import NIOHTTP1

/// One connection's way through its requests, as a value: HTTP/1.x, one request at a time, each small and with a deadline.
///
/// ```text
///          bytes                end               response               ended, kept
///   idle ─────────► receiving ─────────► answering ─────────► … ─────────────────────► idle
///    │                  │                    │ stream   ┌────────────┐
///    │ 60 s: close      │ 10 s, too large,   └─────────►│ streaming  │ ended, kept ──► idle
///    ▼                  ▼ malformed                     └────────────┘ bytes ────────► closed
///  closed ◄──────── refused (the rest is read away for a moment, so that the answer arrives)
/// ```
struct ConnectionState: Sendable {
    enum State: Hashable, Sendable {
        /// Between two requests.
        case idle
        /// A request has begun to arrive.
        case receiving
        /// A request is with the routes, or its response is being written.
        case answering
        /// The response is a stream.
        case streaming
        /// A problem was told and the connection closes.
        case refused
        case closed
    }

    /// A request as it arrived.
    struct Received: Sendable {
        var head: HTTPRequestHead
        var body: ByteBuffer
    }

    enum Action: Sendable {
        case nothing
        /// Start the clock of ``Limits/requestDeadline``.
        case expectRequest
        /// Tell the client to go on with its body (RFC 9110 §10.1.1).
        case sendContinue
        /// Have the routes answer.
        case answer(Received)
        /// Tell the problem and close.
        case refuse(Problem)
        /// Wait for the next request, ``Limits/idleConnection`` at the most.
        case awaitNext
        /// Find out whether the reader of the stream is still there.
        case probe
        case close
    }

    private(set) var state = State.idle
    private var received: Received?
    /// Whether another request may follow on this connection.
    private(set) var isKept = true
    /// Whether the parser reads nothing behind the request that is under way, so that the next one needs a new parser; `nil` if that is
    /// unknown.
    private(set) var parserStops: Bool? = false
    private var isInputClosed = false

    mutating func bytesArrived() -> Action {
        switch state {
        case .idle:
            state = .receiving
            return .expectRequest
        case .streaming:
            // Nothing can follow a stream, so what comes is no request and the framing is not to be trusted.
            return close()
        case .receiving, .answering, .refused, .closed:
            return .nothing
        }
    }

    mutating func headArrived(_ head: HTTPRequestHead) -> Action {
        guard state == .receiving || state == .idle else { return .nothing }
        state = .receiving
        // `Upgrade` may be ignored (RFC 9110 §7.8). The parser stops behind it, and behind CONNECT; only the former gets a new parser.
        parserStops = HeadRules.stopsParser(head)
        isKept = isKept && head.isKeepAlive && head.method != .CONNECT && parserStops != nil
        received = Received(head: head, body: ByteBuffer())
        if Self.size(head.headers) + head.uri.utf8.count > Limits.requestHeadBytes { return refuse(.headTooLarge) }
        if let problem = HeadRules.problem(with: head) { return refuse(problem) }
        if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }),
            length > Limits.requestBodyBytes
        {
            return refuse(.bodyTooLarge)
        }
        // From a client of HTTP/1.0 an expectation is to be ignored (RFC 9110 §10.1.1).
        let expectations = head.headers["expect"]
        guard !expectations.isEmpty, head.version != .http1_0 else { return .nothing }
        return expectations.allSatisfy { $0.lowercased() == "100-continue" }
            ? .sendContinue : refuse(.expectationFailed)
    }

    mutating func bodyArrived(_ bytes: ByteBuffer) -> Action {
        guard state == .receiving, received != nil else { return .nothing }
        received?.body.writeImmutableBuffer(bytes)
        return (received?.body.readableBytes ?? 0) > Limits.requestBodyBytes ? refuse(.bodyTooLarge) : .nothing
    }

    /// - Parameter trailers: what came behind the body. Nothing in them is used.
    mutating func endArrived(_ trailers: HTTPHeaders? = nil) -> Action {
        guard state == .receiving, let request = received else { return .nothing }
        if let trailers, Self.size(trailers) > Limits.requestHeadBytes { return refuse(.headTooLarge) }
        received = nil
        state = .answering
        return .answer(request)
    }

    /// The bytes are no HTTP.
    mutating func parsingFailed(_ problem: Problem) -> Action {
        switch state {
        case .idle, .receiving: return refuse(problem)
        case .answering:
            isKept = false
            return .nothing
        case .streaming: return close()
        case .refused, .closed: return .nothing
        }
    }

    /// The response turned out to be a stream.
    mutating func beganStreaming() -> Action {
        guard state == .answering else { return .nothing }
        state = .streaming
        return isInputClosed ? .probe : .nothing
    }

    /// The response's last byte is written.
    mutating func responseEnded() -> Action {
        guard state == .answering || state == .streaming else { return .nothing }
        guard isKept else { return close() }
        state = .idle
        return .awaitNext
    }

    /// The other side will send no more. It may still read the response, or be gone, which looks the same (a FIN): only a write tells the two
    /// apart.
    mutating func inputClosed() -> Action {
        guard state == .answering || state == .streaming else { return close() }
        isInputClosed = true
        isKept = false
        return state == .streaming ? .probe : .nothing
    }

    /// The clock that was started last has run out.
    mutating func deadlinePassed() -> Action {
        switch state {
        // While answering, the clock runs only behind a body that the client does not take.
        case .idle, .answering, .refused: return close()
        case .receiving: return refuse(.requestTimeout)
        case .streaming, .closed: return .nothing
        }
    }

    /// The daemon stops: no further request on this connection.
    mutating func drain() -> Action {
        isKept = false
        return state == .idle ? close() : .nothing
    }

    mutating func connectionClosed() { state = .closed }

    private static func size(_ fields: HTTPHeaders) -> Int {
        fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
    }

    private mutating func refuse(_ problem: Problem) -> Action {
        state = .refused
        isKept = false
        received = nil
        return .refuse(problem)
    }

    private mutating func close() -> Action {
        guard state != .closed else { return .nothing }
        state = .closed
        return .close
    }
}
