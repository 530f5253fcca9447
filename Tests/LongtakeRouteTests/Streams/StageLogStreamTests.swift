import LongtakeDaemonDriver
import LongtakeTesting
import Testing

/// `GET /v1/jobs/{id}/log` as a stream.
@Suite struct StageLogStreamTests {
    private static let idle = ["LONGTAKE_QUEUES_CPU_WORKERS=0", "LONGTAKE_QUEUES_GPU_WORKERS=0"]

    /// A job whose stages wait, and the name of its first stage.
    private static func job(_ daemon: LocalDaemon) throws -> (job: String, stage: String, path: String) {
        let job = try daemon.submit()
        let stages = try #require(try daemon.get("/v1/jobs/\(job)").object()["stages"] as? [[String: Any]])
        let stage = try #require(stages.first?["name"] as? String)
        return (job, stage, "/v1/jobs/\(job)/log?stage=\(stage)")
    }

    private static func next(_ reader: EventReader) throws -> EventBlock {
        while true {
            let block = try #require(try reader.next())
            if block.event != nil { return block }
        }
    }

    @Test("follows a log from before its beginning to the end of the stage, then 204")
    func follow() async throws {
        try await LocalDaemon.run(environment: Self.idle) { daemon in
            let (job, stage, path) = try Self.job(daemon)
            let reader = try daemon.stream(path)
            #expect(reader.head["content-type"] == "text/event-stream; charset=utf-8")
            let hello = try Self.next(reader)
            #expect(hello.event == "stream.hello" && hello.id == "0")
            daemon.stageLogs.append("one\n\n two\r\nthr\ree\n", job: job, stage: stage)
            let first = try Self.next(reader)
            #expect(first.raw == "id: 18\nevent: log\ndata: one\ndata: \ndata:  two\ndata: thr\ndata: ee\n\n")
            daemon.stageLogs.append("é\n", job: job, stage: stage)
            let second = try Self.next(reader)
            #expect(second.id == "21" && second.data == "é")
            #expect(try daemon.post("/v1/jobs/\(job)/cancel").status < 300)
            #expect(try reader.next() == nil && reader.endedCleanly)
            #expect(try daemon.get(path, "Accept: text/event-stream", "Last-Event-ID: 21").status == 204)
            let rest = try daemon.stream(path, "Last-Event-ID: 18").rest()
            #expect(rest.map(\.event) == ["stream.hello", "log"] && rest.last?.data == "é")
        }
    }

    @Test("ends at once for a stage that has ended without a log")
    func empty() async throws {
        try await LocalDaemon.run(environment: Self.idle) { daemon in
            let (job, _, path) = try Self.job(daemon)
            #expect(try daemon.post("/v1/jobs/\(job)/cancel").status < 300)
            #expect(try daemon.get(path, "Accept: text/event-stream").status == 204)
        }
    }

    @Test("begins with what is kept, and says so, if an attempt or the text at the offset is gone")
    func resets() async throws {
        try await LocalDaemon.run(environment: Self.idle) { daemon in
            let (job, stage, path) = try Self.job(daemon)
            daemon.stageLogs.append("one\ntwo\nthree\n", job: job, stage: stage)
            let reader = try daemon.stream(path)
            #expect(try Self.next(reader).event == "stream.hello")
            #expect(try Self.next(reader).id == "14")
            daemon.stageLogs.append("new\n", job: job, stage: stage, attempt: 2)
            let reset = try Self.next(reader)
            #expect(reset.event == "stream.reset")
            #expect(reset.data == #"{"type":"stream.reset","reason":"attempt","requested":"14"}"#)
            let new = try Self.next(reader)
            #expect(new.id == "4" && new.data == "new")
            daemon.stageLogs.append("newer\nnewest\n", job: job, stage: stage, attempt: 2)
            daemon.stageLogs.drop(10, job: job, stage: stage)
            for (cursor, reason) in [("99", "attempt"), ("4", "pruned"), ("x", "malformed"), ("-1", "malformed")] {
                let reader = try daemon.stream(path, "Last-Event-ID: \(cursor)")
                let hello = try Self.next(reader)
                #expect(hello.id == nil && hello.data?.contains(#""head":"17""#) == true)
                #expect(try Self.next(reader).data?.contains(#""reason":"\#(reason)""#) == true, "\(cursor)")
                let text = try Self.next(reader)
                #expect(text.id == "17" && text.data == "newest", "\(cursor)")
            }
            let fresh = try daemon.stream(path)
            #expect(try Self.next(fresh).id == "0")
            #expect(try Self.next(fresh).data == "newest")
        }
    }

    @Test("has the limits, heartbeats and the end of every stream")
    func limits() async throws {
        try await LocalDaemon.run(environment: Self.idle + ["LONGTAKE_STREAM_MAX_STREAMS=1"]) { daemon in
            let (job, stage, path) = try Self.job(daemon)
            let reader = try daemon.stream(path + "&heartbeat=event&heartbeat_seconds=1")
            #expect(try Self.next(reader).event == "stream.hello")
            #expect(try Self.next(reader).event == "stream.heartbeat")
            let refused = try daemon.stream(path).rest()
            #expect(refused.last?.data?.contains(#""reason":"limit""#) == true)
            #expect(try daemon.get(path, "Accept: text/plain").status == 200)
            #expect(try daemon.get(path).body.isEmpty)
            #expect(try daemon.get(path, "Accept: image/png").status == 406)
            #expect(try daemon.get("/v1/jobs/\(job)/log", "Accept: text/event-stream").status == 400)
            #expect(try daemon.get("/v1/jobs/\(job)/log?stage=no", "Accept: text/event-stream").status == 404)
            daemon.stageLogs.append("a\n", job: job, stage: stage)
            while try Self.next(reader).event != "log" {}
            #expect(daemon.stop() == 0)
            let rest = try reader.rest()
            #expect(rest.last?.data?.contains(#""reason":"draining""#) == true)
        }
    }

    @Test("has every byte of a fast writer, and is gone with its job")
    func fastAndDeleted() async throws {
        try await LocalDaemon.run(environment: Self.idle) { daemon in
            let (job, stage, path) = try Self.job(daemon)
            let reader = try daemon.stream(path)
            var (expected, received) = ("", "")
            for number in 0..<400 {
                let line = "line \(number) \(String(repeating: "x", count: number * 7))"
                expected += line + "\n"
                daemon.stageLogs.append(line + "\n", job: job, stage: stage)
            }
            #expect(try daemon.post("/v1/jobs/\(job)/cancel").status < 300)
            for block in try reader.rest() where block.event == "log" {
                received += (block.data ?? "") + "\n"
                #expect(block.id == "\(received.utf8.count)")
            }
            #expect(received == expected)
            #expect(try daemon.request("DELETE", "/v1/jobs/\(job)").status == 204)
            #expect(try daemon.get(path, "Accept: text/event-stream").status == 404)
        }
    }
}
