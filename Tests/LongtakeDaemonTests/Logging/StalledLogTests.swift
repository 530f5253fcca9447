import Glibc
import LongtakeDaemonDriver
import Testing

/// A reader of standard error that does not read, such as a log shipper that hangs.
@Suite(.serialized) struct StalledLogTests {
    /// Seen to fail (a timeout at the first request) where the handler wrote to standard error itself.
    @Test(
        "holds nothing up: requests are answered, lines are dropped and counted, and the log tells so when it is read on"
    )
    func readsOn() async throws {
        try await onOwnThread {
            let pipe = try StalledPipe()
            let daemon = try pipe.start()
            let dropped = try Self.fill(daemon)
            #expect(try daemon.get("/healthz").status == 200)
            let told = try pipe.read(untilTold: dropped)
            #expect(try Self.scrape(daemon) == told, "each line that was dropped is told")
            #expect(daemon.stop() == 0)
            #expect(pipe.rest().contains(#""msg":"stopped""#))
        }
    }

    /// Seen to fail where the handler wrote to standard error itself: the daemon did not end at all.
    @Test("does not keep the daemon from an orderly stop")
    func stops() async throws {
        try await onOwnThread {
            let pipe = try StalledPipe()
            let daemon = try pipe.start()
            _ = try Self.fill(daemon)
            daemon.signal(SIGTERM)
            #expect(daemon.wait(within: 10) == 0)
        }
    }

    /// Seen to fail with a `LogWriter` that takes a failed write for a written one.
    @Test("that is gone costs lines and nothing else")
    func gone() async throws {
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
    /// - Returns: how many were.
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

/// A pipe in place of a daemon's log, of which nothing is read until somebody asks.
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
        // Each request is a line.
        try DaemonProcess(environment: ["LONGTAKE_LOG_LEVEL=debug", "LONGTAKE_LOG_FORMAT=json"], directory: directory)
    }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Reads until the log has told of at least so many dropped lines.
    /// - Returns: how many it told of.
    func read(untilTold count: Int) throws -> Int {
        var (text, told) = ("", 0)
        let deadline = Deadline(30)
        while told < count {
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            try #require(poll(&wanted, 1, deadline.milliseconds) > 0, "\(told) of \(count) lines were told")
            text += rest()
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            for line in lines.dropLast() where line.contains("lines of the log were dropped") {
                let number = try #require(line.split(separator: #""dropped":"#).last?.prefix { $0.isNumber })
                told += try #require(Int(number))
            }
            text = String(lines.last ?? "")
        }
        return told
    }

    /// What is there at this moment.
    func rest() -> String {
        var (all, bytes) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while true {
            let count = Glibc.read(descriptor, &bytes, bytes.count)
            guard count > 0 else { return String(decoding: all, as: UTF8.self) }
            all += bytes[..<count]
        }
    }
}
