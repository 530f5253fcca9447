import Hummingbird
import LongtakeCore
import LongtakeStream
import NIOCore
import NIOHTTP1

/// Performs the actions of ``ConnectionState`` on the connection's event loop.
///
/// The routes run in a task that lives as long as one response. If the response is a stream, this
/// handler is the stream's sink. The handler has one file for each of its jobs: this one for the
/// events of the channel, and others for responses, streams, the deadline and the access log.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    let service: RequestService
    let channel: any Channel
    var state = ConnectionState()
    var context: ChannelHandlerContext?
    var byteHandler: InboundByteHandler?
    /// Set while the connection is idle, when the daemon may close it to make room for another.
    private var idleEntry: IdleConnections<ConnectionHandler>.EntryID?
    var deadline = ConnectionDeadline()
    var timer: Scheduled<Void>?
    /// The task that runs the routes.
    var task: Task<Void, Never>?
    /// Set while the routes run.
    var exchange: RequestExchange?
    /// The access log's record of the current request; `nil` if the access log is off.
    var record: AccessRecord?
    var stream: StreamSubscriber?
    var socket: StreamSocket?
    /// Set from the head of an upload to its response.
    var upload: IncomingUpload?
    /// Set while the response is a file.
    var download: FileDownload?
    var isHTTP10 = false
    /// The head of the current request, and when it arrived.
    var arriving: (head: HTTPRequestHead, at: NIODeadline)?
    /// Whether the HTTP handlers are removed, as they are while a stream runs.
    var isBare = false
    var removal: EventLoopFuture<Void>?
    /// Bytes of the next request, which the removed parser has passed on. The next parser gets
    /// them.
    private var leftOver = ByteBuffer()

    init(service: RequestService, channel: any Channel) {
        self.service = service
        self.channel = channel
    }

    /// Adds the handlers of a new connection to its channel.
    static func install(on channel: any Channel, service: RequestService) throws {
        let handler = ConnectionHandler(service: service, channel: channel)
        let byteHandler = InboundByteHandler(handler)
        handler.byteHandler = byteHandler
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(byteHandler)
        try pipeline.addHandler(handler)
        try HTTPHandlers.add(to: pipeline, after: byteHandler)
    }

    // MARK: Events of the channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) {
        service.connections.add(self, on: channel)
        perform(.awaitNext)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.connectionClosed()
        writeRecord(.client)
        cancelDeadline()
        setIdle(false)
        cutUpload()
        task?.cancel()
        stream?.connectionClosed()
        service.connections.remove(self)
        (stream, socket, download, byteHandler, self.context) = (nil, nil, nil, nil, nil)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isBare else {
            if state.state == .streaming {
                // The bytes of another request arrived together with the request of the stream. The
                // connection closes after the stream, and the client repeats the other request (RFC
                // 9112 §9.3.2).
                _ = state.drain()
            } else if let byteHandler {
                leftOver.writeImmutableBuffer(byteHandler.unwrapInboundIn(data))
            }
            return
        }
        switch unwrapInboundIn(data) {
        case .head(let head):
            arriving = (head, channel.eventLoop.now)
            // The bytes of a pipelined request arrived during the previous response. Its deadline
            // starts here.
            perform(state.bytesArrived())
            perform(state.headArrived(head, isUpload: service.uploads.contain(head.method.rawValue, head.uri)))
        case .body(let bytes): perform(state.bodyArrived(bytes))
        case .end(let trailers): perform(state.endArrived(trailers))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else {
            // The socket has failed.
            return context.close(promise: nil)
        }
        perform(state.parsingFailed(error == .headerOverflow ? .headTooLarge : .malformedRequest))
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stream?.writabilityChanged()
        context.fireChannelWritabilityChanged()
    }

    /// - Returns: whether the parser gets the bytes.
    func bytesArrived() -> Bool {
        perform(state.bytesArrived())
        return !state.discardsBytes
    }

    func inputClosed() {
        exchange?.inputClosed()
        perform(state.inputClosed())
    }

    func drain() { perform(state.drain()) }

    /// Closes this idle connection, because a new connection needs its slot.
    func makeRoom() {
        idleEntry = nil
        perform(state.drain())
    }

    // MARK: Actions

    func perform(_ action: ConnectionState.Action) {
        switch action {
        case .nothing:
            break
        case .expectRequest:
            setIdle(false)
            startDeadline(TimeAmount(HTTPLimits.requestDeadline))
        case .sendContinue:
            write(.head(HTTPResponseHead(version: .http1_1, status: .continue)))
            context?.flush()
        case .respond(let request):
            deadline.stop()
            respond(to: request.head, RequestBody(buffer: request.body))
        case .beginUpload(let head):
            beginUpload(head)
        case .takeBody(let bytes):
            uploadArrived(bytes)
        case .endUpload:
            uploadEnded()
        case .refuse(let problem):
            refuse(problem)
        case .awaitNext:
            setIdle(true)
            startDeadline(TimeAmount(HTTPLimits.idleTimeout))
        case .probe:
            stream?.inputClosed()
        case .linger:
            linger()
        case .close:
            context?.close(promise: nil)
        }
    }

    private func setIdle(_ isIdle: Bool) {
        let register = service.connections.idle
        if let idleEntry { register.remove(idleEntry, on: channel.eventLoop) }
        idleEntry = isIdle ? register.add(self, on: channel.eventLoop) : nil
    }

    // MARK: HTTP handlers

    /// Replaces the parser after a request that asked for another protocol, because the parser
    /// reads nothing after such a request.
    func replaceParser() {
        isBare = true
        let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
        HTTPHandlers.remove(from: channel).whenComplete { _ in handler.value.addHTTPHandlers() }
    }

    /// Adds new HTTP handlers for the next request.
    func addHTTPHandlers() {
        isBare = false
        removal = nil
        guard let byteHandler, state.isKept else { return channel.close(promise: nil) }
        do {
            try HTTPHandlers.add(to: channel.pipeline.syncOperations, after: byteHandler)
        } catch {
            return channel.close(promise: nil)
        }
        guard leftOver.readableBytes > 0 else { return }
        let bytes = leftOver
        leftOver = ByteBuffer()
        byteHandler.deliver(bytes)
    }
}
