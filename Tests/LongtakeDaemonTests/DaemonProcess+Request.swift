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

    /// The environment of a daemon that is to be drained: the first bytes that its readers get after the
    /// beginning are those of the drain, and a busy machine does not use up its grace.
    static let drained = [
        "LONGTAKE_QUEUES_CPU_WORKERS=0", "LONGTAKE_STREAM_HEARTBEAT_SECONDS=300", "LONGTAKE_SHUTDOWN_GRACE_SECONDS=30",
    ]

    /// Begins to stop with so many streams of the job open, and returns when the first was told.
    func beginDrain(before count: Int, of id: String) throws -> [EventReader] {
        let readers = try (0..<count).map { _ in try follow(id, "?after=1") }
        for reader in readers { #expect(try reader.next()?.event == "stream.hello") }
        signal(SIGTERM)
        var wanted = readers.map { pollfd(fd: $0.socket.descriptor, events: Int16(POLLIN), revents: 0) }
        #expect(poll(&wanted, nfds_t(wanted.count), 20_000) > 0)
        return readers
    }

    /// The request that submits a job with an idempotency key, as it goes over the wire.
    static func submission(_ body: String = #"{"input":{"prompt":"a boat"}}"#, key: String) -> String {
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: \(key)\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }
}

extension Exchange {
    /// A text of the body's object.
    func text(_ name: String) throws -> String { try #require(try object()[name] as? String, "\(body)") }
}
