import NIOCore
import NIOHTTP1

/// The channel handlers that encode and decode HTTP.
///
/// A stream needs none of them after its head is written: its bytes already contain the chunk
/// framing, and any byte from the client ends it. With their buffers, the handlers take more than a
/// third of the memory of an idle stream (docs/benchmarks.md). So the connection removes them while
/// a stream runs, and adds new ones for its next request.
enum HTTPHandlers {
    /// - Parameter byteHandler: the handler that comes before them.
    static func add(to pipeline: ChannelPipeline.SynchronousOperations, after byteHandler: InboundByteHandler) throws {
        try pipeline.addHandlers(make(), position: .after(byteHandler))
    }

    private static func make() -> [any ChannelHandler] {
        [
            HTTPResponseEncoder(), ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes)),
            HTTPServerPipelineHandler(), NIOHTTPResponseHeadersValidator(),
        ]
    }

    /// Makes the handlers once on one thread, before any connection needs them.
    ///
    /// Swift builds the metadata of a generic type when it is first used. One start of some
    /// thousand crashed in the runtime, because the first connections of two event loops did that
    /// at the same time (`swift_checkMetadataState` with a null pointer, Swift 6.3.1).
    static func prepare() { _ = make() }

    /// Removes the handlers. They first pass on the bytes of later requests unchanged.
    /// - Returns: a future that succeeds when the last handler is removed.
    static func remove(from channel: any Channel) -> EventLoopFuture<Void> {
        let pipeline = channel.pipeline.syncOperations
        remove(HTTPServerPipelineHandler.self, pipeline)
        remove(NIOHTTPResponseHeadersValidator.self, pipeline)
        remove(HTTPResponseEncoder.self, pipeline)
        let removed = channel.eventLoop.makePromise(of: Void.self)
        remove(ByteToMessageHandler<HTTPRequestDecoder>.self, pipeline, removed)
        return removed.futureResult
    }

    private static func remove<Handler: RemovableChannelHandler>(
        _ type: Handler.Type, _ pipeline: ChannelPipeline.SynchronousOperations,
        _ removed: EventLoopPromise<Void>? = nil
    ) {
        do {
            pipeline.removeHandler(context: try pipeline.context(handlerType: type), promise: removed)
        } catch {
            removed?.fail(error)
        }
    }
}

/// The handler before the HTTP decoder. It tells the connection when bytes arrive and when the
/// client closes its sending side.
///
/// The handlers after the decoder learn both only when the response has ended. For a stream, that
/// is too late.
final class InboundByteHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: ConnectionHandler
    /// Bytes that are written with this context bypass the HTTP encoder.
    private(set) var context: ChannelHandlerContext?

    init(_ connection: ConnectionHandler) { self.connection = connection }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// Reads during a response, so that bytes after the request of a stream are noticed.
    func continueReading() { context?.read() }

    /// Passes bytes that arrived earlier to the next handlers.
    func deliver(_ bytes: ByteBuffer) {
        guard let context, connection.bytesArrived() else { return }
        context.fireChannelRead(NIOAny(bytes))
        context.fireChannelReadComplete()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if connection.bytesArrived() { context.fireChannelRead(data) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event {
            connection.inputClosed()
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
