import Glibc
import LongtakeDaemonDriver
import Testing

/// Temporary rejections. An EventSource gets a stream that ends at once, and other clients get a
/// status.
@Suite(.serialized) struct RefusalTests {
    /// This test failed when `*/*` counted as a request for an event stream, and when NDJSON was
    /// rejected with 200.
    @Test(
        "at the limit of streams, only a request for an event stream gets one that ends at once, and pages still work")
    func cap() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: [
                "LONGTAKE_STREAM_MAX_STREAMS=1", "LONGTAKE_QUEUES_CPU_WORKERS=0",
            ])
            let id = try daemon.submit()
            let reader = try daemon.feed()
            _ = try reader.next()
            try Self.checkRefused(daemon, id, reason: "limit", status: 429)
            let page = try daemon.get("/v1/jobs/\(id)/events", "Accept: application/json")
            #expect(page.status == 200 && page.body.contains("job.queued"))
            #expect(try daemon.get("/v1/jobs/\(id)").status == 200)
            // A permanent rejection keeps its status, also for a browser.
            #expect(try daemon.get("/v1/jobs/\(id)/events?format=xml", "Accept: text/event-stream").status == 400)
        }
    }

    /// This test failed without the check of `isDraining` in EventWaiter and in JobWait.
    @Test("during a shutdown, rejects jobs and streams, and answers all other requests without a wait")
    func draining() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: DaemonProcess.drained)
            let id = try daemon.submit()
            // There are so many streams that ending them takes seconds, so the daemon still runs
            // during the test.
            let readers = try daemon.beginDrain(before: 200, of: id)

            try Self.checkRefused(daemon, id, reason: "draining", status: 503)
            for accept in ["application/json", "text/event-stream"] {
                let refused = try daemon.connect().exchange(DaemonProcess.submission(accept: accept))
                #expect(
                    refused.status == 503 && refused["retry-after"] != nil,
                    "the daemon rejects the request with Retry-After")
            }
            #expect(try daemon.get("/readyz").status == 503)
            let tag = try #require(try daemon.get("/v1/jobs/\(id)")["etag"])
            for (path, field, status) in [
                ("/healthz", "", 200), ("/v1/jobs", "", 200), ("/v1/pipelines", "", 200), ("/v1/jobs/\(id)", "", 200),
                ("/v1/jobs/\(id)", "Prefer: wait=50", 200),
                ("/v1/jobs/\(id)", "Prefer: wait=50\r\nIf-None-Match: \(tag)", 304),
                ("/v1/jobs/\(id)/events?after=1&wait=50", "Accept: application/json", 200),
            ] {
                let answer = try daemon.get(path, field.isEmpty ? "X-A: 1" : field, within: 10)
                #expect(answer.status == status, "\(path) \(field)")
            }
            #expect(readers.contains { !$0.socket.hasBytes }, "all requests came during the shutdown")
            #expect(daemon.wait(within: 40) == 0)
        }
    }

    private static func checkRefused(_ daemon: DaemonProcess, _ id: String, reason: String, status: Int) throws {
        for path in ["/v1/jobs/\(id)/events", "/v1/events", "/v1/diagnostics/stream"] {
            for accept in ["text/event-stream", "text/event-stream, */*;q=0.1"] {
                let browser = try daemon.get(path, "Accept: \(accept)")
                #expect(browser.status == 200, "\(path) \(accept)")
                #expect(browser["content-type"] == "text/event-stream; charset=utf-8")
                let block = EventBlock(browser.body)
                #expect(block.event == "stream.end" && block.id == nil && (block.retry ?? 0) > 0, "\(browser.body)")
                #expect(block.data == #"{"type":"stream.end","reason":"\#(reason)"}"#)
            }
            for accept in ["*/*", ""] {
                let other = try daemon.get(path, "Accept: \(accept)")
                #expect(other.status == status && other["retry-after"] != nil, "\(path) \(accept)")
                #expect(other["content-type"] == "application/problem+json")
            }
        }
        let lines = try daemon.get("/v1/jobs/\(id)/events", "Accept: application/x-ndjson")
        #expect(lines.status == status && lines["retry-after"] != nil)
    }
}
