import Glibc
import LongtakeDaemonDriver
import Testing

/// The program that reads standard error is blocked, for example a log shipper that hangs.
@Suite("a blocked reader of standard error", .serialized) struct StalledLogTests {
    /// This test failed when the log handler itself wrote to standard error: the first request
    /// timed out.
    @Test(
        "does not block requests; lines are dropped and counted, and a line says so when reading continues"
    )
    func continues() async throws {
        try await onOwnThread {
            let pipe = try StalledPipe()
            let daemon = try pipe.start()
            let dropped = try Self.fill(daemon)
            #expect(try daemon.get("/healthz").status == 200)
            let reported = try pipe.read(untilReported: dropped)
            #expect(try Self.scrape(daemon) == reported, "every dropped line is reported")
            #expect(daemon.stop() == 0)
            #expect(pipe.rest().contains(#""msg":"stopped""#))
        }
    }

    /// This test failed when the log handler itself wrote to standard error: the daemon never
    /// exited.
    @Test("does not block a graceful shutdown")
    func stops() async throws {
        try await onOwnThread {
            let pipe = try StalledPipe()
            let daemon = try pipe.start()
            _ = try Self.fill(daemon)
            daemon.signal(SIGTERM)
            #expect(daemon.wait(within: 60) == 0)
        }
    }

    /// This test failed when `LoggerOutput` took a failed write for a successful one.
    @Test("a reader that has exited costs log lines and nothing else")
    func disconnect() async throws {
        try await onOwnThread {
            let pipe = try StalledPipe()
            let daemon = try pipe.start()
            pipe.close()
            let deadline = Deadline(30)
            while try Self.scrape(daemon) == 0 { try #require(!deadline.isOver) }
            #expect(daemon.stop() == 0)
        }
    }

    /// Logs until lines are dropped.
    /// - Returns: the number of dropped lines.
    private static func fill(_ daemon: DaemonProcess) throws -> Int {
        let deadline = Deadline(240)
        let socket = try daemon.connect()
        let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        while true {
            try #require(!deadline.isOver)
            for _ in 0..<20 {
                try socket.send(String(repeating: request, count: 50))
                for _ in 0..<50 { #expect(try socket.readResponse().status == 200) }
            }
            let dropped = try scrape(daemon)
            if dropped > 0 { return dropped }
        }
    }

    private static func scrape(_ daemon: DaemonProcess) throws -> Int {
        let metrics = try Exposition(daemon.get("/metrics").body)
        #expect(metrics.kinds["longtake_log_dropped_total"] == "counter")
        return Int(try #require(metrics["longtake_log_dropped_total"]))
    }
}

/// A pipe as the daemon's standard error. Nothing is read from it until a test asks for it.
private final class StalledPipe {
    private let directory: String
    private var descriptor: CInt

    init() throws {
        directory = try DaemonProcess.temporaryDirectory()
        try #require(mkfifo(directory + "/log", 0o600) == 0)
        descriptor = open(directory + "/log", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        try #require(descriptor >= 0)
    }

    deinit {
        close()
        DaemonProcess.remove(directory)
    }

    func start() throws -> DaemonProcess {
        // At this level each request writes a line.
        try DaemonProcess(environment: ["LONGTAKE_LOG_LEVEL=debug", "LONGTAKE_LOG_FORMAT=json"], directory: directory)
    }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Reads until at least `count` dropped lines are reported.
    /// - Returns: the number of reported lines.
    func read(untilReported count: Int) throws -> Int {
        var (text, reported) = ("", 0)
        let deadline = Deadline(30)
        while reported < count {
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            try #require(poll(&wanted, 1, deadline.milliseconds) > 0, "\(reported) of \(count) lines are reported")
            text += rest()
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            for line in lines.dropLast() where line.contains("dropped log lines") {
                let number = try #require(line.split(separator: #""dropped":"#).last?.prefix { $0.isNumber })
                reported += try #require(Int(number))
            }
            text = String(lines.last ?? "")
        }
        return reported
    }

    /// The bytes that can be read now.
    func rest() -> String {
        var (all, bytes) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while true {
            let count = Glibc.read(descriptor, &bytes, bytes.count)
            guard count > 0 else { return String(decoding: all, as: UTF8.self) }
            all += bytes[..<count]
        }
    }
}
