import LongtakeDaemonDriver
import Testing

/// Temporary rejections. An EventSource gets a stream that ends at once, and other clients get a
/// status. `DrainTests` has the rejections during a shutdown.
@Suite struct RefusalTests {
    /// This test failed when `*/*` counted as a request for an event stream, and when NDJSON was
    /// rejected with 200.
    @Test(
        "at the limit of streams, only a request for an event stream gets one that ends at once, and pages still work")
    func cap() async throws {
        try await LocalDaemon.run(environment: [
            "LONGTAKE_STREAM_MAX_STREAMS=1", "LONGTAKE_QUEUES_CPU_WORKERS=0",
        ]) { daemon in
            let id = try daemon.submit()
            let reader = try daemon.feed()
            _ = try reader.next()
            try daemon.checkRefusal(ofStreamsOf: id, reason: "limit", status: 429)
            let page = try daemon.get("/v1/jobs/\(id)/events", "Accept: application/json")
            #expect(page.status == 200 && page.body.contains("job.queued"))
            #expect(try daemon.get("/v1/jobs/\(id)").status == 200)
            // A permanent rejection keeps its status, also for a browser.
            #expect(try daemon.get("/v1/jobs/\(id)/events?format=xml", "Accept: text/event-stream").status == 400)
        }
    }
}
