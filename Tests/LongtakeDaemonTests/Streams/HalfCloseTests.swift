import Glibc
import LongtakeDaemonDriver
import Testing

/// Clients that close their side of the connection after the request and continue to read, as `nc
/// -N` does.
@Suite(.serialized) struct HalfCloseTests {
    private static func request(_ line: String, _ fields: String = "", version: String, body: String = "") -> String {
        "\(line) HTTP/\(version)\r\nHost: localhost\r\n\(fields)"
            + (body.isEmpty ? "" : "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n")
            + "\r\n\(body)"
    }

    private static let body = #"{"input":{"prompt":"a boat"}}"#

    private static func idle(_ more: String...) throws -> DaemonProcess {
        try DaemonProcess(
            environment: ["CPU", "GPU", "IO"].map { "LONGTAKE_QUEUES_\($0)_WORKERS=0" } + more)
    }

    /// A client that closes its side at once.
    private static func reader(_ daemon: DaemonProcess, _ request: String) throws -> EventReader {
        let socket = try daemon.connect()
        try socket.send(request)
        socket.finishSending()
        return try EventReader(socket, "")
    }

    /// This test failed without any response when a FIN ended each stream.
    @Test("a stream continues to its end for a half-closed client", arguments: ["1.0", "1.1"])
    func streams(version: String) async throws {
        try await onOwnThread {
            let daemon = try Self.idle()
            let id = try daemon.submit()
            let job = try Self.reader(daemon, Self.request("GET /v1/jobs/\(id)/events", version: version))
            let feed = try Self.reader(daemon, Self.request("GET /v1/events?job=\(id)", version: version))
            for reader in [job, feed] {
                #expect(reader.head.status == 200)
                #expect(try reader.next()?.event == "stream.hello")
            }
            let posted = try Self.reader(
                daemon,
                Self.request("POST /v1/jobs", "Accept: text/event-stream\r\n", version: version, body: Self.body))
            #expect(posted.head.status == 201)
            let other = try #require(posted.head["location"])
            _ = try daemon.request("POST", "/v1/jobs/\(id)/cancel")
            _ = try daemon.request("POST", "\(other)/cancel")
            for reader in [job, posted] {
                #expect(try reader.rest().last?.event == "job.canceled")
                #expect(reader.endedCleanly)
            }
            while let block = try feed.next(), block.event != "job.canceled" {}
            #expect(!feed.socket.isAtEnd)
        }
    }

    @Test("streams of NDJSON and of test events continue too")
    func otherStreams() async throws {
        try await onOwnThread {
            let daemon = try Self.idle()
            let id = try daemon.submit()
            let lines = try daemon.connect()
            try lines.send(
                Self.request("GET /v1/jobs/\(id)/events", "Accept: application/x-ndjson\r\n", version: "1.0"))
            lines.finishSending()
            #expect(String(decoding: try lines.read(through: "job.queued"), as: UTF8.self).contains("200 OK"))
            _ = try daemon.request("POST", "/v1/jobs/\(id)/cancel")
            #expect(String(decoding: try lines.readToEnd(), as: UTF8.self).contains("job.canceled"))
            let test = try Self.reader(
                daemon, Self.request("GET /v1/diagnostics/stream?events=3&interval_ms=100", version: "1.1"))
            #expect(try test.rest().last?.event == "diagnostics.end")
        }
    }

    /// This test passed before the fix too. It protects the behaviour that was right.
    @Test("a half-closed client gets a complete response, and then the connection closes", arguments: ["1.0", "1.1"])
    func answers(version: String) async throws {
        try await onOwnThread {
            let daemon = try Self.idle()
            for (request, status) in [
                (Self.request("GET /healthz", version: version), 200),
                (Self.request("GET /v1/jobs", version: version), 200),
                (Self.request("GET /v1/nothing", version: version), 404),
                (Self.request("POST /v1/jobs", version: version, body: Self.body), 201),
            ] {
                let socket = try daemon.connect()
                try socket.send(request)
                socket.finishSending()
                let answer = try socket.readResponse()
                #expect(answer.status == status && !answer.body.isEmpty, "\(request)")
                #expect(try socket.readToEnd().isEmpty && socket.isAtEnd)
            }
        }
    }

    /// This test failed without the probes after a FIN: the slots stayed in use until the next
    /// heartbeat, here 300 s.
    @Test("a client that disconnects frees its slot at once, at any time")
    func disconnect() async throws {
        try await onOwnThread {
            let daemon = try Self.idle("LONGTAKE_STREAM_HEARTBEAT_SECONDS=300")
            let id = try daemon.submit()
            let requests = [
                Self.request("GET /v1/jobs/\(id)/events", version: "1.1"),
                Self.request("GET /v1/jobs/\(id)/events?heartbeat=event", version: "1.1"),
                Self.request("GET /v1/events", version: "1.0"),
                Self.request("POST /v1/jobs", "Accept: text/event-stream\r\n", version: "1.1", body: Self.body),
            ]
            for (index, request) in requests.enumerated() {
                // After the hello, right after the request, and after a half-close.
                var sockets: [Socket] = []
                for when in 0..<3 {
                    let socket = try daemon.connect()
                    try socket.send(request)
                    if when == 2 { socket.finishSending() }
                    if when != 1 { _ = try socket.read(through: "stream.hello") }
                    sockets.append(socket)
                }
                sockets = []
                try Self.waitForNoStream(daemon, "\(index)")
            }
        }
    }

    @Test("on a Unix socket, a client that disconnects frees its slot at once, and a half-closed client continues")
    func unixSocket() async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let daemon = try DaemonProcess(
                "--unix-socket", directory + "/socket",
                environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0", "LONGTAKE_STREAM_HEARTBEAT_SECONDS=300"])
            let id = try daemon.submit()
            do {
                let socket = try Socket(path: directory + "/socket")
                try socket.send(Self.request("GET /v1/jobs/\(id)/events", version: "1.1"))
                socket.finishSending()
                _ = try socket.read(through: "stream.hello")
                _ = try socket.read(through: ": hb\n\n")
            }
            try Self.waitForNoStream(daemon, "")
        }
    }

    @Test("the next heartbeat detects a half-closed client that disconnected later")
    func later() async throws {
        try await onOwnThread {
            let daemon = try Self.idle("LONGTAKE_STREAM_HEARTBEAT_SECONDS=2")
            let id = try daemon.submit()
            do {
                let reader = try Self.reader(daemon, Self.request("GET /v1/jobs/\(id)/events", version: "1.1"))
                // The two probes after the FIN, and one heartbeat.
                var beats = 0
                while beats < 3, let block = try reader.next() { beats += block.comments.isEmpty ? 0 : 1 }
            }
            try Self.waitForNoStream(daemon, "")
        }
    }

    /// Waits for much less than the heartbeat of 300 s.
    private static func waitForNoStream(_ daemon: DaemonProcess, _ what: String) throws {
        let deadline = Deadline(20)
        while try daemon.metrics()["longtake_streams_open"] != 0 {
            try #require(!deadline.isOver, "\(what)")
        }
    }
}
