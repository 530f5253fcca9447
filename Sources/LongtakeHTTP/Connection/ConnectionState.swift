import LongtakeCore
import NIOCore
import NIOHTTP1

/// The state machine of an HTTP/1.x connection: one request at a time, each small and with a
/// deadline.
///
/// An upload is the exception: its route starts at the head and reads the body as it arrives.
///
/// ```text
///          bytes                end              response               ended, kept
///   idle ─────────► receiving ─────────► responding ────────► … ─────────────────────► idle
///    │                  │                    │ stream   ┌───────────┐
///    │ 60 s: close      │ 10 s, too large,   └─────────►│ streaming │ ended, kept ───► idle
///    ▼                  ▼ malformed                     └───────────┘ bytes ─────────► closed
///  closed ◄──────── refused (reads the rest for a moment, so that the response arrives)
///
///              head of an upload            end of the body
///   receiving ──────────────────► uploading ───────────────► responding
///                                  │     │ response
///              too slow, malformed │     ▼              ended
///                        refused ◄─┘  answering ────────────────► refused
/// ```
struct ConnectionState: Sendable {
    enum State: Hashable, Sendable {
        /// Between two requests.
        case idle
        /// A request is arriving.
        case receiving
        /// The routes handle the request while its body arrives.
        case uploading
        /// The response to an upload is being written before the end of the body. What still
        /// arrives is discarded.
        case answering
        /// The routes handle the request, or the response is being written.
        case responding
        /// The response is a stream.
        case streaming
        /// The connection has sent a problem and closes.
        case refused
        case closed
    }

    /// A complete request.
    struct BufferedRequest: Sendable {
        var head: HTTPRequestHead
        var body: ByteBuffer
    }

    enum Action: Sendable {
        case nothing
        /// Start the deadline ``HTTPLimits/requestDeadline``.
        case expectRequest
        /// Tell the client to send the body (RFC 9110 §10.1.1).
        case sendContinue
        /// Let the routes respond.
        case respond(BufferedRequest)
        /// Let the route of an upload respond while the body arrives.
        case beginUpload(HTTPRequestHead)
        /// Give the route bytes of the body.
        case takeBody(ByteBuffer)
        /// Tell the route that the body is complete.
        case endUpload
        /// Close the sending side, and read the rest of the request for a moment.
        case linger
        /// Respond with the problem and close.
        case refuse(Problem)
        /// Wait for the next request, at most for ``HTTPLimits/idleTimeout``.
        case awaitNext
        /// Check whether the client still reads the stream.
        case probe
        case close
    }

    private(set) var state = State.idle
    private var request: BufferedRequest?
    /// Whether the connection stays open after the response.
    private(set) var isKept = true
    /// Whether the parser reads nothing after the current request, so that the next one needs a new
    /// parser; `nil` if that is unknown.
    private(set) var parserStops: Bool? = false
    private var isInputClosed = false
    /// Whether the client waits for `100 Continue` before it sends the body of an upload.
    private(set) var awaitsContinue = false

    /// Whether the parser gets no more bytes.
    var discardsBytes: Bool { state == .answering || state == .refused || state == .closed }

    mutating func bytesArrived() -> Action {
        switch state {
        case .idle:
            state = .receiving
            return .expectRequest
        case .streaming:
            // No request can follow a stream, so the client's framing is wrong.
            return close()
        case .receiving, .uploading, .answering, .responding, .refused, .closed:
            return .nothing
        }
    }

    /// - Parameter isUpload: whether the route of the request reads the body as it arrives.
    mutating func headArrived(_ head: HTTPRequestHead, isUpload: Bool = false) -> Action {
        guard state == .receiving || state == .idle else { return .nothing }
        state = .receiving
        // A server may ignore `Upgrade` (RFC 9110 §7.8). The parser stops after `Upgrade` and after
        // CONNECT. Only after `Upgrade` does the connection get a new parser.
        parserStops = RequestHeadRules.stopsParser(head)
        isKept = isKept && head.isKeepAlive && head.method != .CONNECT && parserStops != nil
        request = BufferedRequest(head: head, body: ByteBuffer())
        if Self.size(head.headers) + head.uri.utf8.count > HTTPLimits.requestHeadBytes { return refuse(.headTooLarge) }
        if let problem = RequestHeadRules.problem(with: head) { return refuse(problem) }
        if !isUpload, let length = head.headers.first(name: "content-length").flatMap({ Int($0) }),
            length > HTTPLimits.requestBodyBytes
        {
            return refuse(.bodyTooLarge)
        }
        // The expectation of an HTTP/1.0 client must be ignored (RFC 9110 §10.1.1).
        let expectations = head.headers["expect"]
        let isExpecting = !expectations.isEmpty && head.version != .http1_0
        if isExpecting, !expectations.allSatisfy({ $0.lowercased() == "100-continue" }) {
            return refuse(.expectationFailed)
        }
        guard isUpload else { return isExpecting ? .sendContinue : .nothing }
        state = .uploading
        awaitsContinue = isExpecting
        request = nil
        return .beginUpload(head)
    }

    /// The route of an upload wants the body.
    mutating func bodyWanted() -> Action {
        guard state == .uploading, awaitsContinue else { return .nothing }
        awaitsContinue = false
        return .sendContinue
    }

    mutating func bodyArrived(_ bytes: ByteBuffer) -> Action {
        if state == .uploading {
            // A client need not wait for `100 Continue` (RFC 9110 §10.1.1).
            awaitsContinue = false
            return .takeBody(bytes)
        }
        guard state == .receiving, request != nil else { return .nothing }
        request?.body.writeImmutableBuffer(bytes)
        return (request?.body.readableBytes ?? 0) > HTTPLimits.requestBodyBytes ? refuse(.bodyTooLarge) : .nothing
    }

    /// - Parameter trailers: the fields after the body. They are ignored.
    mutating func endArrived(_ trailers: HTTPHeaders? = nil) -> Action {
        guard state == .uploading || state == .receiving && request != nil else { return .nothing }
        if let trailers, Self.size(trailers) > HTTPLimits.requestHeadBytes { return refuse(.headTooLarge) }
        guard let request else {
            state = .responding
            return .endUpload
        }
        self.request = nil
        state = .responding
        return .respond(request)
    }

    /// The bytes are not HTTP.
    mutating func parsingFailed(_ problem: Problem) -> Action {
        switch state {
        case .idle, .receiving, .uploading: return refuse(problem)
        case .responding:
            isKept = false
            return .nothing
        case .streaming: return close()
        case .answering, .refused, .closed: return .nothing
        }
    }

    /// The response is ready.
    /// - Returns: whether it may be written.
    mutating func answerBegins() -> Bool {
        switch state {
        case .responding: return true
        case .uploading:
            // Where the next request begins is only known at the end of this one.
            state = .answering
            isKept = false
            return true
        case .idle, .receiving, .answering, .streaming, .refused, .closed: return false
        }
    }

    /// The response is a stream.
    mutating func beganStreaming() -> Action {
        guard state == .responding else { return .nothing }
        state = .streaming
        return isInputClosed ? .probe : .nothing
    }

    /// The last byte of the response is written.
    mutating func responseEnded() -> Action {
        if state == .answering, !isInputClosed {
            state = .refused
            return .linger
        }
        guard state == .responding || state == .streaming || state == .answering else { return .nothing }
        guard isKept else { return close() }
        state = .idle
        return .awaitNext
    }

    /// The client has sent a FIN. Either it has only closed its sending side and still reads, or it
    /// has closed the connection. Only a write reveals which.
    mutating func inputClosed() -> Action {
        guard state == .responding || state == .streaming || state == .answering else { return close() }
        isInputClosed = true
        isKept = false
        return state == .streaming ? .probe : .nothing
    }

    /// The deadline has expired.
    mutating func deadlinePassed() -> Action {
        switch state {
        // While responding, the deadline only applies to a body that the client does not read.
        case .idle, .answering, .responding, .refused: return close()
        case .receiving: return refuse(.requestTimeout)
        case .uploading: return refuse(.uploadTooSlow)
        case .streaming, .closed: return .nothing
        }
    }

    /// The daemon shuts down, so the connection accepts no other request.
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
        request = nil
        return .refuse(problem)
    }

    private mutating func close() -> Action {
        guard state != .closed else { return .nothing }
        state = .closed
        return .close
    }
}

/// The rules for request heads that the parser does not check. The sections below are those of RFC
/// 9112.
enum RequestHeadRules {
    /// The first rule that the head breaks; `nil` if it breaks none.
    static func problem(with head: HTTPRequestHead) -> Problem? {
        let hosts = head.headers["host"]
        // Exactly one `Host` (§3.2). With two, a proxy and the daemon could each use a different
        // one.
        guard hosts.count <= 1, hosts.count == 1 || head.version == .http1_0, hosts.allSatisfy(isHost) else {
            return .malformedRequest
        }
        // The daemon does not decompress bodies (RFC 9110 §8.4).
        guard head.headers["content-encoding"].allSatisfy({ $0.trimmed.lowercased() == "identity" }) else {
            return .unknownContentCoding
        }
        guard head.headers.contains(name: "transfer-encoding") else { return nil }
        let codings = head.headers["transfer-encoding"].joined(separator: ",")
            .split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmed.lowercased() }
        // If `chunked` is not the last coding, the end of the body is unknown (§6.3). HTTP/1.0 has
        // no transfer codings, so an intermediary may have framed the message differently (§6.1).
        guard codings.last == "chunked", head.version != .http1_0 else { return .malformedRequest }
        return codings.count == 1 ? nil : .unknownTransferCoding
    }

    /// Whether the parser treats the request as one that changes the protocol: it has the header
    /// `Upgrade`, and `Connection` names that header.
    /// - Returns: `nil` if `Connection` is ambiguous.
    static func stopsParser(_ head: HTTPRequestHead) -> Bool? {
        guard head.headers.contains(name: "upgrade") else { return false }
        let options = head.headers["connection"].flatMap { $0.split(separator: ",") }.map { $0.trimmed.lowercased() }
        if options.contains("upgrade") { return true }
        return options.contains { $0.contains("upgrade") } ? nil : false
    }

    /// Whether the text has only characters of a host and a port (RFC 3986 §3.2). It may be empty.
    private static func isHost(_ text: String) -> Bool {
        text.trimmed.utf8.allSatisfy { hostBytes.contains($0) }
    }

    private static let hostBytes = Set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=%[]:".utf8)
}
