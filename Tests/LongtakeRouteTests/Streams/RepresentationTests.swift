import LongtakeDaemonDriver
import Testing

/// `Accept`, `format` and `heartbeat` (docs/api.md, “Reading a log”).
@Suite struct RepresentationTests {
    private static let lines = "Accept: application/x-ndjson"

    @Test("Accept selects one of three representations, with an event stream as the default")
    func accept() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let id = try daemon.submit()
            let path = "/v1/jobs/\(id)/events"
            let (stream, lines, page) = ("text/event-stream; charset=utf-8", "application/x-ndjson", "application/json")
            for (accept, type) in [
                (nil, stream), ("", stream), ("*/*", stream), ("text/*", stream), ("text/event-stream", stream),
                ("text/event-stream, application/json", stream), ("application/x-ndjson", lines),
                ("application/*", lines), ("text/event-stream;q=0.1, application/x-ndjson", lines),
                ("text/event-stream;q=0, */*", lines), ("application/json", page),
                ("text/html, application/json;q=0.9, */*;q=0.8", page),
            ] {
                let answer = try daemon.get(path, accept.map { "Accept: \($0)" } ?? "X-A: 1")
                #expect(answer.status == 200, "\(accept ?? "none")")
                #expect(answer["content-type"] == type, "\(accept ?? "none")")
                #expect(answer["content-encoding"] == nil && answer["cache-control"]?.contains("no-store") == true)
            }
            for accept in ["text/html", "image/*", "text/event-stream;q=0", "*/*;q=0", "nonsense"] {
                let refused = try daemon.get(path, "Accept: \(accept)")
                #expect(refused.status == 406, "\(accept)")
                #expect(refused.body.contains("text/event-stream, application/x-ndjson, application/json"))
            }
            for path in ["/v1/jobs", "/v1/jobs/\(id)", "/v1/pipelines"] {
                for accept in ["text/event-stream", "application/x-ndjson", "text/html"] {
                    #expect(try daemon.get(path, "Accept: \(accept)").status == 406, "\(path) \(accept)")
                }
            }
            for accept in ["application/json", "application/x-ndjson", "text/html"] {
                #expect(try daemon.get("/v1/events", "Accept: \(accept)").status == 406, "\(accept)")
            }
            for accept in ["application/x-ndjson", "text/html"] {
                let request = RequestText.submission(accept: accept)
                #expect(try daemon.connect().exchange(request).status == 406, "\(accept)")
            }
            let jobs = try #require(try daemon.get("/v1/jobs").object()["jobs"] as? [Any])
            #expect(jobs.count == 1, "a request with an unacceptable representation submits nothing")
            // For a job that does not exist, the status is 404 for every Accept.
            let unknown = "/v1/jobs/job_" + String(repeating: "0", count: 26) + "/events"
            for accept in ["text/event-stream", "application/x-ndjson", "application/json"] {
                #expect(try daemon.get(unknown, "Accept: \(accept)").status == 404, "\(accept)")
            }
        }
    }

    @Test("an NDJSON stream has no hello; it contains a reset with a snapshot, an end and heartbeats")
    func controlLines() async throws {
        try await LocalDaemon.run(
            environment: [
                "LONGTAKE_STREAM_HEARTBEAT_SECONDS=1", "LONGTAKE_QUEUES_CPU_WORKERS=0",
            ]
        ) { daemon in
            let id = try daemon.submit()
            let quiet = try daemon.follow(id, "?after=1&heartbeat=event", Self.lines)
            #expect(try quiet.socket.readChunk() == Array("\n".utf8))

            let reset = try daemon.follow(id, "?after=nonsense", Self.lines)
            #expect(reset.head.status == 200)
            var text = ""
            while text.split(separator: "\n").count < 2, let chunk = try reset.socket.readChunk() {
                text += String(decoding: chunk, as: UTF8.self)
            }
            let lines = text.split(separator: "\n").map(String.init)
            #expect(lines[0] == #"{"type":"stream.reset","reason":"malformed","requested":"nonsense"}"#)
            let snapshot = try JSON.object(lines[1])
            #expect(snapshot["type"] as? String == "job.snapshot")
            #expect((snapshot["job"] as? [String: Any])?["id"] as? String == id)

            #expect(daemon.stop() == 0)
            let end = #"{"type":"stream.end","reason":"draining"}"# + "\n"
            for reader in [quiet, reset] {
                var rest: [UInt8] = []
                while let chunk = try reader.socket.readChunk() { rest += chunk }
                #expect(String(decoding: rest, as: UTF8.self).hasSuffix(end))
            }
        }
    }

    @Test("without event lines every event is a message, including heartbeats and the end, in both kinds of stream")
    func messages() async throws {
        try await LocalDaemon.run(
            environment: ["LONGTAKE_STREAM_HEARTBEAT_SECONDS=1", "LONGTAKE_QUEUES_CPU_WORKERS=0"]
        ) { daemon in
            let id = try daemon.submit()
            let query = "?format=message&heartbeat=event&after="
            let readers = [try daemon.follow(id, query + "1"), try daemon.feed(query + "1")]
            // The job waits, so its stream contains the queue position.
            for (reader, position) in zip(readers, [#","queue_position":0"#, ""]) {
                #expect(reader.head["content-type"] == "text/event-stream; charset=utf-8")
                #expect(reader.head["x-accel-buffering"] == "no")
                #expect(reader.head["cache-control"] == "no-store, no-transform")
                let hello = try #require(try reader.next())
                #expect(hello.event == nil && hello.id != nil && (hello.retry ?? 0) > 0)
                #expect(hello.data?.hasPrefix(#"{"type":"stream.hello","job":"#) == true)
                let beat = "data: {\"type\":\"stream.heartbeat\"\(position)}\n\n"
                #expect(try reader.next(equalTo: beat))
            }
            #expect(daemon.stop() == 0)
            for reader in readers {
                let end = try #require(try reader.rest().last)
                #expect(end.event == nil && end.id == nil && (end.retry ?? 0) > 0)
                #expect(end.data == #"{"type":"stream.end","reason":"draining"}"#)
            }
        }
    }

    @Test("sends the hello and the existing events in one write, and a different retry time to each client")
    func opening() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            let id = try daemon.submit()
            var retries: Set<Int> = []
            for _ in 0..<12 {
                let reader = try daemon.follow(id)
                let chunk = String(decoding: try #require(try reader.socket.readChunk()), as: UTF8.self)
                #expect(chunk.hasPrefix("retry: ") && chunk.contains("event: job.queued\n") && chunk.hasSuffix("\n\n"))
                let retry = try #require(EventBlock(String(chunk.prefix(12))).retry)
                #expect((1_000...3_000).contains(retry))
                retries.insert(retry)
            }
            #expect(retries.count > 1)
        }
    }

    @Test("an NDJSON stream sends its head at once, even without events")
    func quietLines() async throws {
        // No heartbeat can cause the head to be sent.
        let quiet = ["LONGTAKE_QUEUES_CPU_WORKERS=0", "LONGTAKE_STREAM_HEARTBEAT_SECONDS=300"]
        try await LocalDaemon.run(environment: quiet) { daemon in
            let id = try daemon.submit()
            let reader = try daemon.follow(id, "?after=1", Self.lines)
            #expect(reader.head.status == 200, "the head does not wait for the first line")
        }
    }
}
