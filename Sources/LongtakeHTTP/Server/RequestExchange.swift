import HTTPTypes
import Hummingbird
import Logging
import LongtakeStream
import Synchronization

/// One request and its answer, as the routes and the connection share it: here a route leaves the stream that its answer turns into.
final class RequestExchange: Sendable {
    private let stream = Mutex<StreamOpening?>(nil)
    private let reader = Mutex(Reader())
    private let facts = Mutex(Facts())
    let forwarding: Forwarding
    /// Stands in the response and in the logger's lines: the proxy's if that counts, otherwise a new one.
    let requestID: String

    private struct Facts {
        var caller: Caller?
        var route: String?
    }

    /// - Parameter random: draws the id of a request that has none.
    init(forwarding: Forwarding, random: () -> UInt64) {
        self.forwarding = forwarding
        requestID = forwarding.requestID ?? String(random(), radix: 16)
    }

    private struct Reader {
        var hasLeft = false
        var whenLeft: (@Sendable () -> Void)?
    }

    /// Who sent the request; `nil` until that is known, and on routes that are open to all.
    var caller: Caller? {
        get { facts.withLock { $0.caller } }
        set { facts.withLock { $0.caller = newValue } }
    }

    /// The route that answers, such as `/v1/jobs/{id}`; `nil` if there is none.
    var route: String? {
        get { facts.withLock { $0.route } }
        set { facts.withLock { $0.route = newValue } }
    }

    /// Whose limits the answer counts for: a key's id; `nil` for nobody's.
    var account: String? { caller?.owner.account }

    /// Whether the other side said that it will send no more.
    var hasReaderLeft: Bool { reader.withLock { $0.hasLeft } }

    /// Has `act` called when the other side says that it will send no more, in place of what was to be called before; at once where it has.
    func whenReaderLeaves(_ act: @escaping @Sendable () -> Void) {
        let hasLeft = reader.withLock { reader in
            reader.whenLeft = act
            return reader.hasLeft
        }
        if hasLeft { act() }
    }

    /// The other side will send no more. It may still read the answer.
    func inputClosed() {
        let act = reader.withLock { reader in
            reader.hasLeft = true
            return reader.whenLeft
        }
        act?()
    }

    /// Makes the response's body a stream; the response keeps its status and headers.
    func become(_ opening: StreamOpening) { stream.withLock { $0 = opening } }

    /// The stream, once.
    func takeStream() -> StreamOpening? {
        stream.withLock { stream in
            defer { stream = nil }
            return stream
        }
    }
}

/// Where a request's context comes from: our own connection instead of Hummingbird's server.
struct ExchangeSource: RequestContextSource {
    let logger: Logger
    let exchange: RequestExchange
}

/// What routes know beyond the request.
struct DaemonRequestContext: RequestContext {
    typealias Source = ExchangeSource

    var coreContext: CoreRequestContextStorage
    let exchange: RequestExchange
    /// Known when a route that needs a right is reached.
    var caller = Caller.anonymous

    init(source: ExchangeSource) {
        coreContext = CoreRequestContextStorage(source: source)
        exchange = source.exchange
    }
}
