import Glibc
import LongtakeDaemonDriver
import Testing

/// Clients that end their side of the connection behind the request and still read, as `nc -N` does.
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

    /// A reader that ends its side at once.
    private static func reader(_ daemon: DaemonProcess, _ request: String) throws -> EventReader {
        let socket = try daemon.connect()
        try socket.send(request)
        socket.finishSending()
        return try EventReader(socket, "")
    }

    /// Seen to fail without a byte of an answer where a FIN ended each stream.
    @Test("a stream goes on to its end for a client that only reads", arguments: ["1.0", "1.1"])
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

    @Test("a stream of lines, and of test events, goes on too")
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

    /// Passed before the change too: it holds what was right.
    @Test("an answer that is no stream comes whole, and the connection ends behind it", arguments: ["1.0", "1.1"])
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

    /// Seen to fail without the probes behind a FIN: the places stayed taken until the next heartbeat, here 300 s.
    @Test("a reader that is gone gives its place back at once, whenever it went")
    func gone() async throws {
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
                // Behind the hello; right behind the request; and first one side, then the other.
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

    @Test("a reader on a Unix socket that is gone gives its place back at once, and one that only reads goes on")
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

    @Test("a client that went on reading for a while and then left is noticed with the next heartbeat")
    func later() async throws {
        try await onOwnThread {
            let daemon = try Self.idle("LONGTAKE_STREAM_HEARTBEAT_SECONDS=2")
            let id = try daemon.submit()
            do {
                let reader = try Self.reader(daemon, Self.request("GET /v1/jobs/\(id)/events", version: "1.1"))
                // The two probes behind the FIN, and a heartbeat of its own.
                var beats = 0
                while beats < 3, let block = try reader.next() { beats += block.comments.isEmpty ? 0 : 1 }
            }
            try Self.waitForNoStream(daemon, "")
        }
    }

    /// Long before any heartbeat of 300 s.
    private static func waitForNoStream(_ daemon: DaemonProcess, _ what: String) throws {
        let deadline = Deadline(20)
        while try Exposition(daemon.get("/metrics").body)["longtake_streams_open"] != 0 {
            try #require(!deadline.isOver, "\(what)")
        }
    }
}
