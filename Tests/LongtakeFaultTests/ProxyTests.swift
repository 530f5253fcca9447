import Glibc
import LongtakeDaemonDriver
import Testing

/// Streams through a real nginx.
@Suite(.serialized, .enabled(if: ProxyServer.isInstalled)) struct ProxyTests {
    /// The HTTP versions towards the daemon. `nil` is nginx's default, HTTP/1.0.
    private static let versions: [String?] = [nil, "1.1"]

    // The test needs no clock. It submits the next job only when the event has arrived, so it would
    // hang if nginx buffered an event. It failed with HTTP/1.0 without `X-Accel-Buffering: no`.
    @Test("nginx does not buffer: each event arrives before the next job is submitted", arguments: versions)
    func oneAtATime(version: String?) async throws {
        try await onOwnThread {
            let daemon = try Self.idleDaemon()
            let proxy = try ProxyServer(to: daemon.port, version: version)
            let feed = try proxy.stream("/v1/events")
            #expect(feed.head.status == 200)
            for _ in 0..<10 {
                let job = try daemon.submit()
                let event = try Self.nextLogged(feed)
                #expect(event.event == "job.queued")
                #expect(event.data?.contains(job) == true)
            }
        }
    }

    @Test("nginx forwards Last-Event-ID, and the stream of a finished job ends cleanly", arguments: versions)
    func resumed(version: String?) async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "200")
            let proxy = try ProxyServer(to: daemon.port, version: version)
            let job = try daemon.submit()
            let reader = try proxy.stream("/v1/jobs/\(job)/events")
            let whole = JobLog(try reader.rest())
            try whole.checkWhole()
            #expect(reader.endedCleanly)
            let again = try proxy.stream("/v1/jobs/\(job)/events", after: whole.ids[4])
            #expect(JobLog(try again.rest()).lines == Array(whole.lines[5...]))
        }
    }

    // With HTTP/1.0, nginx treats the end of the connection as the end of the body. Then only the
    // missing final event tells the client that the connection was cut. This test failed without
    // the `error_page` line of the recipe: the status was 502, after which a browser never
    // reconnects.
    @Test("a reader behind the recipe's nginx resumes after a kill and a restart of the daemon", arguments: versions)
    func restarted(version: String?) async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "20")
            let proxy = try ProxyServer(to: daemon.port, version: version)
            let job = try daemon.submit()
            let path = "/v1/jobs/\(job)/events"
            let reader = try proxy.stream(path)
            var log = JobLog()
            for _ in 0..<5 { log.add(try Self.nextLogged(reader)) }
            daemon.kill()
            while let block = try? reader.next() { log.add(block) }
            #expect(!log.types.contains("job.succeeded"))
            #expect(reader.endedCleanly == (version == nil), "with HTTP/1.1, nginx cuts the connection too")
            let meanwhile = try proxy.stream(path, after: log.last)
            #expect(meanwhile.head.status == 200)
            #expect(meanwhile.head["content-type"] == "text/event-stream")
            let bytes = try meanwhile.socket.read(through: "\n\n")
            #expect(String(decoding: bytes, as: UTF8.self) == "retry: 2000\n\n")
            try daemon.start()
            for block in try proxy.stream(path, after: log.last).rest() { log.add(block) }
            try log.checkWhole()
            #expect(log.lines == (try daemon.wholeLog(of: job).lines))
        }
    }

    @Test("a graceful shutdown ends the stream cleanly and tells the client when to reconnect", arguments: versions)
    func stopped(version: String?) async throws {
        try await onOwnThread {
            let daemon = try Self.idleDaemon()
            let proxy = try ProxyServer(to: daemon.port, version: version)
            let reader = try proxy.stream("/v1/jobs/\(daemon.submit())/events")
            #expect(try Self.nextLogged(reader).event == "job.queued")
            #expect(daemon.stop() == 0)
            let last = try #require(try reader.rest().last)
            #expect(last.event == "stream.end")
            #expect(last.retry != nil)
            #expect(reader.endedCleanly)
        }
    }

    /// A daemon without workers. Its jobs wait forever, so only the test's submissions cause
    /// events.
    private static func idleDaemon() throws -> DaemonProcess {
        try DaemonProcess(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0", "LONGTAKE_QUEUES_GPU_WORKERS=0"])
    }

    private static func nextLogged(_ reader: EventReader) throws -> EventBlock {
        while let block = try reader.next(within: 10) {
            if block.isLogged { return block }
        }
        throw Ended()
    }

    private struct Ended: Error {}
}
