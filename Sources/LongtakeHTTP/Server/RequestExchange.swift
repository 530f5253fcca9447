import HTTPTypes
import Hummingbird
import Logging
import LongtakeStream
import Synchronization

/// One request and its answer, as the routes and the connection share it: here a route leaves the stream that its answer turns into.
final class RequestExchange: Sendable {
    private let stream = Mutex<StreamOpening?>(nil)

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

    init(source: ExchangeSource) {
        coreContext = CoreRequestContextStorage(source: source)
        exchange = source.exchange
    }
}
