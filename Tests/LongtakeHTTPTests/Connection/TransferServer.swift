import Glibc
import HTTPTypes
import Hummingbird
import Logging
import LongtakeCore
import LongtakeDaemonDriver
import LongtakeStream
import LongtakeTesting
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import LongtakeHTTP

/// Connections over sockets with the routes of a test.
final class TransferServer: Sendable {
    let service: RequestService
    let port: Int
    private let loops: MultiThreadedEventLoopGroup
    private let listener: Listener.Opened

    /// Runs a blocking test with a server. When it returns, all tasks of the server have ended.
    static func run(
        loops count: Int = 1, patience: DownloadPace.Patience = DownloadPace.Patience(), log: AccessLines? = nil,
        routes: (inout RouteTable) -> Void, _ body: @escaping @Sendable (TransferServer) throws -> Void
    ) async throws {
        let server = try await TransferServer(count, patience, log, routes)
        let result: Result<Void, any Error>
        do {
            try await onOwnThread { try body(server) }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await server.stop(within: .seconds(1))
        #expect(await server.service.hub.tasks.finished(within: .seconds(30), on: server.loops.any()))
        #expect(server.service.uploadMemory.bytes == 0, "all bytes of uploads are released")
        try await server.loops.shutdownGracefully()
        try result.get()
    }

    private init(
        _ count: Int, _ patience: DownloadPace.Patience, _ log: AccessLines?, _ routes: (inout RouteTable) -> Void
    ) async throws {
        loops = MultiThreadedEventLoopGroup(numberOfThreads: count)
        service = RequestService.forTests(
            loops: loops.makeIterator().map { $0 }, patience: patience, log: log, routes: routes)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        listener = try await Listener(group: loops, service: service, logger: logger)
            .listen(on: .tcp(host: "127.0.0.1", port: 0))
        port = try #require(listener.channel.localAddress?.port)
    }

    func connect(receiveBuffer: CInt? = nil) throws -> Socket { try Socket(port: port, receiveBuffer: receiveBuffer) }

    /// Stops as ``HTTPServer/stop(within:)`` does.
    func stop(within limit: TimeAmount) async {
        service.connections.drain()
        await service.connections.emptied(within: limit, on: loops.any())
        try? await listener.close()
        service.connections.closeAll()
    }
}

extension RequestService {
    /// A service with the routes of a test.
    static func forTests(
        loops: [any EventLoop], patience: DownloadPace.Patience = DownloadPace.Patience(), log: AccessLines? = nil,
        routes: (inout RouteTable) -> Void
    ) -> RequestService {
        let clock = ManualClock()
        let handler: any LogHandler = log ?? SwiftLogNoOpLogHandler()
        let logger = Logger(label: "test") { _ in handler }
        let access = AccessConfiguration()
        var table = RouteTable(
            router: Router(context: DaemonRequestContext.self),
            access: AccessControl(access, clock: clock, uptime: { .zero }))
        table.router.add(middleware: ProblemMiddleware())
        routes(&table)
        return RequestService(
            responder: table.router.buildResponder(),
            hub: StreamHub(
                journal: MemoryJournal(clock: clock), loops: loops,
                configuration: StreamConfiguration(
                    heartbeat: .seconds(10), maxStreams: 1, maxAge: nil, random: { 7 }),
                logger: logger),
            connections: ConnectionRegister(limit: 10_000, loops: loops), requests: RequestCounts(),
            uploads: table.uploads, access: access, accessLog: log == nil ? .off : .all,
            budget: ResponseBudget(limitWithoutAccount: HTTPLimits.unreadResponseBytes), patience: patience,
            clock: clock, random: { 7 }, logger: logger)
    }
}

/// The lines of the access log.
struct AccessLines: LogHandler {
    private final class Lines: Sendable {
        let all = Mutex<[[String: String]]>([])
    }

    private let lines = Lines()
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    /// The fields of each line.
    var all: [[String: String]] { lines.all.withLock { $0 } }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        guard "\(event.message)" == "access" else { return }
        let fields = (event.metadata ?? [:]).mapValues { "\($0)" }
        lines.all.withLock { $0.append(fields) }
    }
}

/// A file with known bytes, which is removed at the end.
final class SampleFile: Sendable {
    let path: String
    let count: Int

    /// - Parameter count: the number of bytes. Byte `n` is `n % 251`.
    init(_ count: Int) throws {
        var template = Array("/tmp/longtake-download-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.count = count
        var rest = Self.bytes(0..<count)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            try #require(written > 0)
            rest = rest.dropFirst(written)
        }
    }

    deinit { unlink(path) }

    static func bytes(_ range: Range<Int>) -> [UInt8] {
        // A loop over the bytes would be slow in a debug build.
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        while bytes.count < range.count {
            let start = (range.lowerBound + bytes.count) % 251
            bytes += pattern[start..<min(pattern.count, start + range.count - bytes.count)]
        }
        return bytes
    }

    private static let pattern = (0..<(251 * 256)).map { UInt8($0 % 251) }

    func body(_ range: Range<Int>? = nil) -> FileBody {
        let range = range ?? 0..<count
        return FileBody(
            takingOwnershipOf: open(path, O_RDONLY | O_CLOEXEC), offset: Int64(range.lowerBound),
            length: Int64(range.count))
    }

    /// How many descriptors of this process are open for the file.
    var openDescriptors: Int {
        (0..<CInt(4_096)).count { descriptor in
            var target = [CChar](repeating: 0, count: 4_096)
            let length = readlink("/proc/self/fd/\(descriptor)", &target, target.count)
            guard length > 0 else { return false }
            return String(decoding: target.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self) == path
        }
    }
}

/// Checks a condition that another thread brings about, until it holds or two minutes have passed.
func blockUntil(_ isMet: () -> Bool) -> Bool {
    let deadline = Deadline(120)
    while !isMet() {
        guard !deadline.isOver else { return false }
        poll(nil, 0, 2)
    }
    return true
}
