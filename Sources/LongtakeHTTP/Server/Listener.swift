import Logging
import LongtakeCore
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Opens listening sockets and sets up the connections that they accept.
struct Listener: Sendable {
    let group: MultiThreadedEventLoopGroup
    let service: RequestService
    let logger: Logger

    /// The connections that the kernel queues until the daemon accepts them. After a restart, this
    /// many clients may reconnect at once.
    private static let backlog: CInt = 4_096

    /// The unsent bytes that the kernel buffers per connection (`TCP_NOTSENT_LOWAT`, tcp(7)). With
    /// a small buffer, the daemon notices within seconds when a reader is stuck, and the reader
    /// uses little kernel memory. It does not limit the bytes in flight to a client that reads.
    private static let unsentBytes: CInt = 4_096

    /// A listening socket.
    struct Opened: Sendable {
        let channel: any Channel
        /// The file of a Unix socket.
        var file: UnixSocketFile?

        /// Stops listening and removes the file.
        func close() async throws {
            file?.remove()
            try await channel.close()
        }
    }

    /// Opens a listening socket.
    /// - Parameters:
    ///   - others: the sockets that are open already.
    ///   - isOneOfMany: whether the daemon listens on several hosts. Then an IPv6 socket accepts
    ///     IPv6 only, so that `::` and `0.0.0.0` can use the same port.
    func listen(
        on address: ListenAddress, besides others: [Opened] = [], isOneOfMany: Bool = false
    ) async throws(ListenFailure) -> Opened {
        switch address {
        case .tcp(let host, let port):
            return Opened(channel: try await bind(host, port, besides: others, isOneOfMany: isOneOfMany))
        case .unix(let path, let mode, let group):
            let (descriptor, file) = try await Self.onThread { () throws(ListenFailure) in
                try UnixSocketFile.listen(at: path, mode: mode, group: group, backlog: Self.backlog)
            }
            do throws(ListenFailure) {
                return Opened(channel: try await adopt(descriptor) { .unix(path, $0) }, file: file)
            } catch {
                file.remove()
                throw error
            }
        case .inherited(let descriptor):
            let channel = try await adopt(descriptor) { code in
                ListenFailure(
                    .inherited,
                    "Cannot listen on the inherited socket \(descriptor): \(String(cString: strerror(code))). Correct the socket unit, or start the daemon without it.",
                    code: code)
            }
            return Opened(channel: channel)
        }
    }

    private func bind(
        _ host: String, _ port: Int, besides others: [Opened], isOneOfMany: Bool
    ) async throws(ListenFailure) -> any Channel {
        // A name server may take long to respond.
        let address = try await Self.onThread { () throws(ListenFailure) -> SocketAddress in
            guard let address = try? SocketAddress.makeAddressResolvingHost(host, port: port) else {
                throw .unknownHost(host)
            }
            return address
        }
        // A name such as `localhost` may resolve to an address that is listed too.
        guard !others.contains(where: { $0.channel.localAddress == address }) else { throw .repeated(host, address) }
        var bootstrap = bootstrap(isTCP: true)
        if isOneOfMany, address.protocol == .inet6 {
            let option = ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only)
            bootstrap = bootstrap.serverChannelOption(option, value: 1)
        }
        do {
            return try await bootstrap.bind(to: address).get()
        } catch {
            throw .tcp(host, port, Self.code(of: error))
        }
    }

    /// Listens on a bound socket. Closes the socket on failure.
    private func adopt(
        _ descriptor: CInt, _ failure: @Sendable (CInt) -> ListenFailure
    ) async throws(ListenFailure) -> any Channel {
        do {
            let channel = try await bootstrap(isTCP: Self.isTCP(descriptor)).withBoundSocket(descriptor).get()
            // The library calls listen(2) with its own backlog. A second call changes the backlog.
            guard Glibc.listen(descriptor, Self.backlog) == 0 else {
                let error = IOError(errnoCode: errno, reason: "listen")
                channel.close(promise: nil)
                throw error
            }
            return channel
        } catch {
            throw failure(Self.code(of: error))
        }
    }

    /// The error number of the system; `EINVAL` for an error of the library.
    private static func code(of error: any Error) -> CInt { (error as? IOError)?.errnoCode ?? EINVAL }

    /// Runs a blocking closure on a thread pool.
    private static func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws(ListenFailure) -> Value
    ) async throws(ListenFailure) -> Value {
        let result = await withCheckedContinuation { caller in
            NIOSingletons.posixBlockingThreadPool.submit { _ in
                caller.resume(returning: Result(catching: body))
            }
        }
        return try result.get()
    }

    private func bootstrap(isTCP: Bool) -> ServerBootstrap {
        let (service, logger) = (service, logger)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptPause(logger: logger))
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 16 * 1024, high: 32 * 1024))
            .childChannelOption(.socketOption(.so_sndbuf), value: 128 * 1024)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard service.connections.makeRoom(on: channel.eventLoop) else {
                        throw ChannelError.ioOnClosedChannel
                    }
                    try ConnectionHandler.install(on: channel, service: service)
                }
            }
        guard isTCP else { return bootstrap }
        // The kernel detects a dead peer within 45 seconds: after 30 seconds of unacknowledged
        // bytes, or after 30 + 3 × 5 seconds of silence (tcp(7)).
        return
            bootstrap
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.tcpOption(.init(rawValue: TCP_NOTSENT_LOWAT)), value: .init(Self.unsentBytes))
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: 30)
            .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: 5)
            .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 3)
            .childChannelOption(.tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), value: 30_000)
    }

    private static func isTCP(_ descriptor: CInt) -> Bool {
        var domain: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length)
        return domain == AF_INET || domain == AF_INET6
    }
}

/// When the process or the system runs out of file descriptors, stops accepting for 250 ms instead
/// of spinning. The kernel queues new connections meanwhile.
///
/// The listener stays readable, so the event loop would retry at once. NIO's `AcceptBackoffHandler`
/// only delays explicit reads, and the channel stays registered after an error. Turning `autoRead`
/// off deregisters it.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = Channel

    private static let pause = TimeAmount.milliseconds(250)
    /// The minimum time between two log lines about this.
    private static let logInterval = TimeAmount.seconds(60)

    private static let shortages = [EMFILE, ENFILE, ENOBUFS, ENOMEM]

    private let logger: Logger
    private var lastLine = NIODeadline.distantPast
    private var isPaused = false

    init(logger: Logger) { self.logger = logger }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // All other errors concern one connection, which is already closed (accept(2)).
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
        // This fails only if the listener is closed.
        try? channel.syncOptions?.setOption(.autoRead, value: isOn)
    }
}
