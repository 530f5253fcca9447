import NIOCore

/// Stands before the HTTP decoder and tells the connection what cannot be seen behind it: that bytes arrive, and that no more will.
///
/// Behind the decoder both would be held back while a response is under way, which for a stream means: for ever.
final class InboundWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: ConnectionHandler
    /// What is written from here goes out as it is.
    private(set) var context: ChannelHandlerContext?

    init(_ connection: ConnectionHandler) { self.connection = connection }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// Reads although a response is under way, so that bytes behind a stream's request are noticed.
    func readOn() { context?.read() }

    /// Hands bytes that arrived earlier to the handlers behind this one.
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
