import Glibc
import Logging
import LongtakeCore
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
        close(client)
        await server.stop()
    }

    private struct Failed: Error {}

    private static func connect(to port: UInt16) throws -> CInt {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, length) }
        }
        // An answer says that the connection is set up, and not only that the kernel has it.
        let request = Array("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
        var byte: UInt8 = 0
        guard result == 0, send(descriptor, request, request.count, 0) > 0, recv(descriptor, &byte, 1, 0) == 1 else {
            throw Failed()
        }
        return descriptor
    }

    /// The socket that was accepted, which is this process's too: the one whose peer is the client.
    private static func otherEnd(of client: CInt) throws -> CInt {
        let port = Self.port(of: client, getsockname)
        for descriptor in 3..<CInt(65_536) where descriptor != client {
            if let peer = Self.port(of: descriptor, getpeername), peer == port { return descriptor }
        }
        throw Failed()
    }

    private typealias Lookup = (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt

    private static func port(of descriptor: CInt, _ look: Lookup) -> UInt16? {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { look(descriptor, $0, &length) }
        }
        return result == 0 && address.sin_family == sa_family_t(AF_INET) ? UInt16(bigEndian: address.sin_port) : nil
    }

    private static func option(_ name: CInt, of descriptor: CInt) -> CInt? {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(descriptor, CInt(IPPROTO_TCP), name, &value, &length) == 0 ? value : nil
    }
}
