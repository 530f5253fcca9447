import Glibc
import LongtakeDaemonDriver
import Testing

@testable import LongtakeHTTP

@Suite("accepted connections")
struct ListenerTests {
    // Fails without the option in `Listener.bootstrap`: 0 instead of 4,096.
    @Test("buffer at most 4 KiB of unsent bytes in the kernel, and detect dead peers")
    func options() async throws {
        let server = try HTTPServer.forTests()
        let address = try await server.start()
        let port = try #require(address.first?.split(separator: ":").last.flatMap { UInt16($0) })
        let client = try Self.connect(to: port)
        let accepted = try Self.acceptedSocket(of: client)
        #expect(Self.option(TCP_NOTSENT_LOWAT, of: accepted) == 4_096)
        #expect(Self.option(TCP_USER_TIMEOUT, of: accepted) == 30_000)
        withExtendedLifetime(client) {}
        await server.stop()
    }

    private struct Failed: Error {}

    /// Connects, and waits for a response, because the kernel alone completes a connection too.
    private static func connect(to port: UInt16) throws -> Socket {
        let client = try Socket(port: Int(port))
        guard try client.exchange("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").status == 200 else { throw Failed() }
        return client
    }

    /// The accepted socket, which this process also owns: its peer is the client.
    private static func acceptedSocket(of client: Socket) throws -> CInt {
        let port = SocketPort.local(of: client.descriptor)
        for descriptor in 3..<CInt(65_536) where descriptor != client.descriptor {
            if let peer = SocketPort.peer(of: descriptor), peer == port { return descriptor }
        }
        throw Failed()
    }

    private static func option(_ name: CInt, of descriptor: CInt) -> CInt? {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(descriptor, CInt(IPPROTO_TCP), name, &value, &length) == 0 ? value : nil
    }
}
