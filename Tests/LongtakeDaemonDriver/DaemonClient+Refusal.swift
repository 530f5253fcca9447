import Testing

extension DaemonClient {
    /// Checks that every stream is rejected for now. A client that accepts only an event stream
    /// gets one that ends at once. Other clients get a status.
    /// - Parameters:
    ///   - job: an existing job.
    ///   - reason: the reason in `stream.end`.
    ///   - status: the status for other clients.
    package func checkRefusal(ofStreamsOf job: String, reason: String, status: Int) throws {
        for path in ["/v1/jobs/\(job)/events", "/v1/events", "/v1/diagnostics/stream"] {
            for accept in ["text/event-stream", "text/event-stream, */*;q=0.1"] {
                let browser = try get(path, "Accept: \(accept)")
                #expect(browser.status == 200, "\(path) \(accept)")
                #expect(browser["content-type"] == "text/event-stream; charset=utf-8")
                let block = EventBlock(browser.body)
                #expect(block.event == "stream.end" && block.id == nil && (block.retry ?? 0) > 0, "\(browser.body)")
                #expect(block.data == #"{"type":"stream.end","reason":"\#(reason)"}"#)
            }
            for accept in ["*/*", ""] {
                let other = try get(path, "Accept: \(accept)")
                #expect(other.status == status && other["retry-after"] != nil, "\(path) \(accept)")
                #expect(other["content-type"] == "application/problem+json")
            }
        }
        let lines = try get("/v1/jobs/\(job)/events", "Accept: application/x-ndjson")
        #expect(lines.status == status && lines["retry-after"] != nil)
    }
}
