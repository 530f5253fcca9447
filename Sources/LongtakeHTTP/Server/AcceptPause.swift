import Logging
import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Stops accepting for a moment where that failed, as it does when the process, or the system, has no descriptor left. The kernel keeps who waits.
///
/// Without it the loop would try again at once, for ever: the listener stays readable. NIO's own `AcceptBackoffHandler` delays the channel's
/// reads, yet after an error the channel does not read anew: it just stays registered. Only `autoRead` ends that.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = Channel

    private static let pause = TimeAmount.milliseconds(250)
    /// Between two lines of the log about it.
    private static let logInterval = TimeAmount.seconds(60)

    private static let shortages = [EMFILE, ENFILE, ENOBUFS, ENOMEM]

    private let logger: Logger
    private var lastLine = NIODeadline.distantPast
    private var isPaused = false

    init(logger: Logger) { self.logger = logger }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Other errors are of one connection, which is closed by then (accept(2)).
        guard let error = error as? IOError, Self.shortages.contains(error.errnoCode), !isPaused else { return }
        let now = context.eventLoop.now
        if now >= lastLine + Self.logInterval {
            lastLine = now
            logger.warning("cannot accept connections at present", metadata: ["error": "\(error)"])
        }
        isPaused = true
        setReading(false, context.channel)
        let (channel, handler) = (context.channel, NIOLoopBound(self, eventLoop: context.eventLoop))
        context.eventLoop.scheduleTask(in: Self.pause) {
            handler.value.isPaused = false
            handler.value.setReading(true, channel)
        }
    }

    private func setReading(_ isOn: Bool, _ channel: any Channel) {
        // It fails only where the listener is closed.
        try? channel.syncOptions?.setOption(.autoRead, value: isOn)
    }
}
