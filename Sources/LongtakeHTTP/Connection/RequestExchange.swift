import HTTPTypes
import Hummingbird
import Logging
import LongtakeStream
import NIOHTTP1
import NIOHTTPTypesHTTP1
import Synchronization

/// The state of one request and its response, which the routes and the connection share. A route
/// stores here the stream that becomes the body of the response.
final class RequestExchange: Sendable {
    private let stream = Mutex<StreamOpening?>(nil)
    private let file = Mutex<FileBody?>(nil)
    private let interim = Mutex<(@Sendable (HTTPResponseHead) -> Void)?>(nil)
    private let input = Mutex(Input())
    private let facts = Mutex(Facts())
    let forwarding: Forwarding
    /// The id of the request in the response and in the log lines. A trusted proxy may choose it.
    let requestID: String

    private struct Facts {
        var caller: Caller?
        var route: String?
    }

    /// - Parameter random: draws the id if no trusted proxy has sent one.
    init(forwarding: Forwarding, random: () -> UInt64) {
        self.forwarding = forwarding
        requestID = forwarding.requestID ?? String(random(), radix: 16)
    }

    private struct Input {
        var isClosed = false
        var whenClosed: (@Sendable () -> Void)?
    }

    /// The sender of the request; `nil` until it is authenticated, and on routes that need no
    /// right.
    var caller: Caller? {
        get { facts.withLock { $0.caller } }
        set { facts.withLock { $0.caller = newValue } }
    }

    /// The route of the request, such as `/v1/jobs/{id}`; `nil` if no route matches.
    var route: String? {
        get { facts.withLock { $0.route } }
        set { facts.withLock { $0.route = newValue } }
    }

    /// The account whose limits apply, which is a key's id; `nil` if the request has no key.
    var account: String? { caller?.owner.account }

    /// Whether the client has closed its sending side.
    var hasClosedInput: Bool { input.withLock { $0.isClosed } }

    /// Calls `act` when the client closes its sending side, or now if it has. Replaces the previous
    /// closure.
    func whenInputCloses(_ act: @escaping @Sendable () -> Void) {
        let isClosed = input.withLock { input in
            input.whenClosed = act
            return input.isClosed
        }
        if isClosed { act() }
    }

    /// The client has closed its sending side. It may still read the response.
    func inputClosed() {
        let act = input.withLock { input in
            input.isClosed = true
            return input.whenClosed
        }
        act?()
    }

    /// Makes the body of the response a stream. The response keeps its status and headers.
    func become(_ opening: StreamOpening) { stream.withLock { $0 = opening } }

    /// Makes the body of the response a part of a file. The response keeps its status and headers,
    /// and gets the `Content-Length` of the part. For a `HEAD`, the file is closed unread. If the
    /// route then throws, the file is closed too.
    func become(_ body: FileBody) { file.withLock { $0 = body } }

    /// Takes the file out, so that a second call returns `nil`.
    func takeFile() -> FileBody? {
        file.withLock { file in
            defer { file = nil }
            return file
        }
    }

    /// Sends an interim response, such as `104 Upload Resumption Supported`. It has no effect on
    /// routes that are not uploads, for clients of HTTP/1.0, and after the response.
    /// - Parameter status: 102 to 199. The connection itself sends `100 Continue`.
    func inform(_ status: HTTPResponse.Status, _ headers: HTTPFields) {
        let head = HTTPResponseHead(
            version: .http1_1, status: .init(statusCode: status.code, reasonPhrase: status.reasonPhrase),
            headers: HTTPHeaders(headers))
        interim.withLock { $0 }?(head)
    }

    /// - Parameter send: called for each interim response.
    func whenInformed(_ send: @escaping @Sendable (HTTPResponseHead) -> Void) { interim.withLock { $0 = send } }

    /// Takes the stream out, so that a second call returns `nil`.
    func takeStream() -> StreamOpening? {
        stream.withLock { stream in
            defer { stream = nil }
            return stream
        }
    }
}

/// The source of a request's context: our own connection instead of Hummingbird's server.
struct ExchangeSource: RequestContextSource {
    let logger: Logger
    let exchange: RequestExchange
}

/// What a route gets in addition to the request.
struct DaemonRequestContext: RequestContext {
    typealias Source = ExchangeSource

    var coreContext: CoreRequestContextStorage
    let exchange: RequestExchange
    /// Set before a route that needs a right is called.
    var caller = Caller.anonymous

    init(source: ExchangeSource) {
        coreContext = CoreRequestContextStorage(source: source)
        exchange = source.exchange
    }
}
