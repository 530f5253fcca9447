import LongtakeDaemonDriver
import Testing

/// Compares the events of streams with the OpenAPI document. Some of them need a shutdown.
@Suite struct EventDocumentTests {
    @Test("the document describes every event of a stream")
    func streams() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "50")
            let check = SchemaCheck(try daemon.get("/openapi.json").object())
            var types: Set<String> = []
            func expect(_ blocks: [EventBlock]) throws {
                for data in blocks.compactMap(\.data) {
                    let item = try JSON.object(data)
                    #expect(check.problems(with: item, as: "StreamItem") == [], "\(data)")
                    types.insert(item["type"] as? String ?? "")
                }
            }
            func submit(_ simulation: String) throws -> String {
                try daemon.submit(#"{"input":{"prompt":"a"},"simulation":\#(simulation)}"#)
            }
            let failing = try submit(#"{"speed":10000,"fail_stage":"moderate","fail_times":100}"#)
            let stopped = try daemon.submit()
            let reader = try daemon.follow(stopped)
            // The stage is long enough for a shutdown during it.
            while let block = try reader.next(), block.data?.contains(#""stage":"frames""#) != true {}
            #expect(daemon.stop() == 0)
            try expect(reader.rest())
            try daemon.start()
            let canceled = try submit(#"{"speed":1}"#)
            let other = try daemon.follow(canceled)
            while let block = try other.next(), block.event != "stage.started" {}
            _ = try daemon.post("/v1/jobs/\(canceled)/cancel")
            try expect(other.rest())
            try expect(daemon.follow(stopped).rest())
            let failed = try daemon.follow(failing, "?heartbeat=event").rest()
            #expect(failed.count { $0.event == "stage.retrying" } == 2, "a stage has three attempts")
            try expect(failed)
            try expect(daemon.follow(stopped, "?after=00000000-5").rest())
            let all: Set = [
                "job.queued", "job.started", "stage.started", "stage.progress", "stage.succeeded", "stage.retrying",
                "job.interrupted", "job.resumed", "job.cancel_requested", "job.succeeded", "job.failed", "job.canceled",
                "stream.hello", "stream.reset", "job.snapshot", "stream.end",
            ]
            #expect(types == all, "every event type occurred")
        }
    }
}
