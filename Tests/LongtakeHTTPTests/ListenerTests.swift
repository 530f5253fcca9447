import Glibc
import Logging
import LongtakeCore
import LongtakeDaemonDriver
import LongtakeTesting
import Testing

@testable import LongtakeHTTP

@Suite("accepted connections")
struct ListenerTests {
    // Seen to fail without the option in `Listener.bootstrap`, with 0 in place of 4,096.
    @Test("leave what the kernel cannot send at once in the daemon, all but 4 KiB, and find the dead")
    func options() async throws {
        let catalog = try JSONText.decode(
            PipelineCatalog.self,
            from:
                #"{"default":"p","pipelines":{"p":{"description":"d","input":{},"stages":[{"name":"s","queue":"q","seconds":1,"steps":1,"message":"m"}]}}}"#
        )
        let clock = ManualClock()
        let server = HTTPServer(
            configuration: HTTPServerConfiguration(
                addresses: [.tcp(host: "127.0.0.1", port: 0)], version: "test", uptime: { .zero }, random: { 7 }),
            journal: MemoryJournal(clock: clock), backups: NoBackups(), catalog: catalog, clock: clock,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let address = try await server.start()
        let port = try #require(address.first?.split(separator: ":").last.flatMap { UInt16($0) })
        let client = try Self.connect(to: port)
        let accepted = try Self.otherEnd(of: client)
        #expect(Self.option(TCP_NOTSENT_LOWAT, of: accepted) == 4_096)
        #expect(Self.option(TCP_USER_TIMEOUT, of: accepted) == 30_000)
        withExtendedLifetime(client) {}
        await server.stop()
    }

    private struct Failed: Error {}

    /// A connection that is set up, and not only with the kernel: an answer says so.
    private static func connect(to port: UInt16) throws -> Socket {
        let client = try Socket(port: Int(port))
        guard try client.exchange("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").status == 200 else { throw Failed() }
        return client
    }

    /// The socket that was accepted, which is this process's too: the one whose peer is the client.
    private static func otherEnd(of client: Socket) throws -> CInt {
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
