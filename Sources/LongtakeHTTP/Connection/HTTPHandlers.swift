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
        try pipeline.configureHTTPServerPipeline(position: .after(watch), withErrorHandling: false)
    }

    /// Only while nothing waits in them: neither a part of a request nor of a response.
    static func remove(from pipeline: ChannelPipeline.SynchronousOperations) {
        remove(HTTPServerPipelineHandler.self, from: pipeline)
        remove(NIOHTTPResponseHeadersValidator.self, from: pipeline)
        remove(HTTPResponseEncoder.self, from: pipeline)
        // Leaves on the loop's next turn, and no byte is read before that.
        remove(ByteToMessageHandler<HTTPRequestDecoder>.self, from: pipeline)
    }

    private static func remove<Handler: RemovableChannelHandler>(
        _ type: Handler.Type, from pipeline: ChannelPipeline.SynchronousOperations
    ) {
        guard let context = try? pipeline.context(handlerType: type) else { return }
        pipeline.removeHandler(context: context, promise: nil)
    }
}
