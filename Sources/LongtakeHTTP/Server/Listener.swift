import Logging
import LongtakeCore
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Opens listening sockets and sets up each connection that they accept.
struct Listener: Sendable {
    let group: MultiThreadedEventLoopGroup
    let service: RequestService
    let logger: Logger

    /// Connections that the kernel keeps until they are accepted: as many clients as come back at once after a restart.
    private static let backlog: CInt = 4_096

    /// What the kernel takes beyond what it may send at once (tcp(7)). With it, a reader that takes nothing is noticed within seconds, and
    /// holds little of the kernel's memory, whatever is written to it; what is under way to one that reads is not bounded by it.
    private static let unsentBytes: CInt = 4_096

    func listen(on address: ListenAddress) async throws -> any Channel {
        switch address {
        case .tcp(let host, let port):
            return try await bootstrap(isTCP: true).bind(host: host, port: port).get()
        case .unix(let path):
            return try await bootstrap(isTCP: false).bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true)
                .get()
        case .inherited(let descriptor):
            let channel = try await bootstrap(isTCP: Self.isTCP(descriptor)).withBoundSocket(descriptor).get()
            // Adopting a socket calls `listen` with the library's default; a second call changes the backlog (listen(2)).
            guard Glibc.listen(descriptor, Self.backlog) == 0 else { throw IOError(errnoCode: errno, reason: "listen") }
            return channel
        }
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
        // A peer that died without a word is gone within 45 seconds: unanswered bytes after 30, silence after 30 + 3 × 5 (tcp(7)).
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
