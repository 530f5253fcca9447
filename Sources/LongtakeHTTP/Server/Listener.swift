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

    /// A socket that listens.
    struct Opened: Sendable {
        let channel: any Channel
        /// Of a Unix socket.
        var file: UnixSocketFile?

        /// Stops listening, and removes the file.
        func close() async throws {
            file?.remove()
            try await channel.close()
        }
    }

    /// - Parameters:
    ///   - others: what the daemon listens on already.
    ///   - isOneOfMany: whether the daemon listens on several hosts. Then an IPv6 address stands for IPv6 only, so that `::` leaves room for
    ///     `0.0.0.0` on the same port.
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
        // A name server may not answer for a while.
        let address = try await Self.onThread { () throws(ListenFailure) -> SocketAddress in
            guard let address = try? SocketAddress.makeAddressResolvingHost(host, port: port) else {
                throw .unknownHost(host)
            }
            return address
        }
        // `localhost` is another name of an address that may be listed as well.
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

    /// Serves on a socket that is bound. Closes it if that fails.
    private func adopt(
        _ descriptor: CInt, _ failure: @Sendable (CInt) -> ListenFailure
    ) async throws(ListenFailure) -> any Channel {
        do {
            let channel = try await bootstrap(isTCP: Self.isTCP(descriptor)).withBoundSocket(descriptor).get()
            // Adopting a socket calls `listen` with the library's default; a second call changes the backlog (listen(2)).
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

    /// The system's error, or `EINVAL` if the library has one of its own.
    private static func code(of error: any Error) -> CInt { (error as? IOError)?.errnoCode ?? EINVAL }

    /// Runs what blocks on a thread that may be blocked.
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
