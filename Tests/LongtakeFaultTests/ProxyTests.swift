import Glibc
import LongtakeDaemonDriver
import Testing

/// Streams through a real nginx.
@Suite(.serialized, .enabled(if: ProxyServer.isInstalled)) struct ProxyTests {
    /// `nil` is what nginx speaks to a daemon by default, HTTP/1.0.
    private static let versions: [String?] = [nil, "1.1"]

    // No time is looked at: an event that was held back would never be followed by the next. Seen to fail without `X-Accel-Buffering: no`,
    // where nginx speaks HTTP/1.0.
    @Test("each event arrives before the next one is caused", arguments: versions)
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

    @Test("Last-Event-ID passes, and a log that has ended ends cleanly", arguments: versions)
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

    // Behind HTTP/1.0 nginx takes the end of the connection for the end of the body, so that only the log tells a cut from an end. Seen to fail
    // without the `error_page` line of the recipe: 502, at which a browser gives up for good.
    @Test("a daemon that is killed and comes back is a pause for a reader who follows the recipe", arguments: versions)
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
            #expect(reader.endedCleanly == (version == nil), "with HTTP/1.1 a cut is seen as a cut")
            let meanwhile = try proxy.stream(path, after: log.last)
            #expect(meanwhile.head.status == 200)
            #expect(meanwhile.head["content-type"] == "text/event-stream")
            let words = try meanwhile.socket.read(through: "\n\n")
            #expect(String(decoding: words, as: UTF8.self) == "retry: 2000\n\n")
            try daemon.start()
            for block in try proxy.stream(path, after: log.last).rest() { log.add(block) }
            try log.checkWhole()
            #expect(log.lines == (try daemon.wholeLog(of: job).lines))
        }
    }

    @Test("an orderly stop ends the stream cleanly and says when to come back", arguments: versions)
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

    /// A daemon whose jobs wait for ever, and so say nothing that the test has not caused.
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
