import LongtakeDaemonDriver
import Testing

/// Compares the daemon's responses with its OpenAPI document.
@Suite struct DocumentTests {
    @Test("serves the document of this version without a key")
    func version() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess()
            let answer = try daemon.get("/openapi.json")
            #expect(answer.status == 200)
            #expect(answer["content-type"] == "application/json")
            let document = try answer.object()
            #expect(document["openapi"] as? String == "3.1.0")
            let info = try #require(document["info"] as? [String: Any])
            #expect(try info["version"] as? String == daemon.get("/healthz").object()["version"] as? String)
            #expect(try daemon.get("/openapi.json", "Accept: text/html").status == 406)
        }
    }

    // This test failed when the schema had another name for a member of the job, and when it
    // declared a time as a number.
    @Test("responses have exactly the members in the document")
    func answers() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "400")
            let check = SchemaCheck(try daemon.get("/openapi.json").object())
            func expect(_ schema: String, _ answer: Exchange) throws {
                #expect(check.problems(with: try answer.object(), as: schema) == [], "\(answer.body)")
            }
            let id = try daemon.submit()
            try expect("Job", daemon.get("/v1/jobs/\(id)"))
            _ = try daemon.wholeLog(of: id)
            try expect("Job", daemon.get("/v1/jobs/\(id)"))
            try expect("JobList", daemon.get("/v1/jobs"))
            try expect("EventPage", daemon.get("/v1/jobs/\(id)/events", "Accept: application/json"))
            try expect("PipelineList", daemon.get("/v1/pipelines"))
            try expect("Backup", daemon.connect().exchange("POST /v1/backups HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            try expect("BackupList", daemon.get("/v1/backups"))
            try expect("Problem", daemon.get("/v1/jobs?limit=0"))
            try expect("Problem", daemon.get("/nowhere"))
            try expect("Problem", daemon.connect().exchange(DaemonProcess.submission(#"{"x":1}"#)))
            try expect("Problem", daemon.connect().exchange("no HTTP\r\n\r\n"))
        }
    }

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
            _ = try daemon.connect().exchange("POST /v1/jobs/\(canceled)/cancel HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try expect(other.rest())
            try expect(daemon.follow(stopped).rest())
            try expect(daemon.follow(failing, "?heartbeat=event").rest())
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
