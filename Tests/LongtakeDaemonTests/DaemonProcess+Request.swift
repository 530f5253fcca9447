import Glibc
import LongtakeDaemonDriver
import Testing

extension DaemonProcess {
    /// Sends a request without a body.
    func request(_ method: String, _ path: String, _ fields: String...) throws -> Exchange {
        let lines = fields.map { $0 + "\r\n" }.joined()
        return try connect().exchange(
            "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\(lines)\r\n")
    }

    /// The environment of a daemon for tests of a shutdown. No events or heartbeats precede those
    /// of the shutdown, and the grace period is long enough for a busy machine.
    static let drained = [
        "LONGTAKE_QUEUES_CPU_WORKERS=0", "LONGTAKE_STREAM_HEARTBEAT_SECONDS=300", "LONGTAKE_SHUTDOWN_GRACE_SECONDS=30",
    ]

    /// Begins a shutdown with several open streams of the job. Returns when the first of them has
    /// received stream.end.
    func beginDrain(before count: Int, of id: String) throws -> [EventReader] {
        let readers = try (0..<count).map { _ in try follow(id, "?after=1") }
        for reader in readers { #expect(try reader.next()?.event == "stream.hello") }
        signal(SIGTERM)
        var wanted = readers.map { pollfd(fd: $0.socket.descriptor, events: Int16(POLLIN), revents: 0) }
        #expect(poll(&wanted, nfds_t(wanted.count), 20_000) > 0)
        return readers
    }

    /// The bytes of a request that submits a job with an idempotency key.
    static func submission(_ body: String = #"{"input":{"prompt":"a boat"}}"#, key: String) -> String {
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: \(key)\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }
}

extension Exchange {
    /// A string member of the body's object.
    func text(_ name: String) throws -> String { try #require(try object()[name] as? String, "\(body)") }
}
