import NIOCore
import NIOHTTP1

/// The handlers that speak HTTP on a connection.
///
/// A stream needs none of them once its head is written: its bytes are framed already, and whatever a client sends behind its request ends
/// it. With their buffers they are more than a third of what an idle stream takes in memory (docs/benchmarks.md), so they are gone while
/// it runs, and new ones take the connection's next request.
enum HTTPHandlers {
    /// - Parameter watch: the handler that they stand behind.
    static func add(to pipeline: ChannelPipeline.SynchronousOperations, behind watch: InboundWatch) throws {
        try pipeline.addHandlers(make(), position: .after(watch))
    }

    private static func make() -> [any ChannelHandler] {
        [
            HTTPResponseEncoder(), ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes)),
            HTTPServerPipelineHandler(), NIOHTTPResponseHeadersValidator(),
        ]
    }

    /// Makes handlers once on one thread, before any connection needs them.
    ///
    /// Swift builds a generic type's metadata at its first use. One start of some thousand crashed in the runtime when the first connections
    /// of two event loops did that at the same time (`swift_checkMetadataState` with a null pointer, Swift 6.3.1).
    static func prepare() { _ = make() }

    /// Has them hand on what they hold of later requests, as it is, and leave.
    /// - Returns: fulfilled when the last is gone.
    static func remove(from channel: any Channel) -> EventLoopFuture<Void> {
        let pipeline = channel.pipeline.syncOperations
        remove(HTTPServerPipelineHandler.self, pipeline)
        remove(NIOHTTPResponseHeadersValidator.self, pipeline)
        remove(HTTPResponseEncoder.self, pipeline)
        let gone = channel.eventLoop.makePromise(of: Void.self)
        remove(ByteToMessageHandler<HTTPRequestDecoder>.self, pipeline, gone)
        return gone.futureResult
    }

    private static func remove<Handler: RemovableChannelHandler>(
        _ type: Handler.Type, _ pipeline: ChannelPipeline.SynchronousOperations, _ gone: EventLoopPromise<Void>? = nil
    ) {
        do {
            pipeline.removeHandler(context: try pipeline.context(handlerType: type), promise: gone)
        } catch {
            gone?.fail(error)
        }
    }
}
