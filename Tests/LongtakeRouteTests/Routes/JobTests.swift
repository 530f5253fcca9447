import LongtakeDaemonDriver
import Testing

/// A job from submission to its end.
@Suite struct JobTests {
    @Test("a submission returns at once, and the job is the same in all representations at its end")
    func wholeLife() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let created = try daemon.connect().exchange(RequestText.submission())
            #expect(created.status == 201)
            let job = try created.object()
            let id = try #require(job["id"] as? String)
            #expect(created["location"] == "/v1/jobs/\(id)")
            #expect(id.hasPrefix("job_"))
            let members = [
                "id", "pipeline", "state", "progress", "stage", "stages", "queue_position", "eta_seconds",
                "queue_wait_seconds", "waiting_for", "input", "output", "error",
                "priority",
                "metadata", "cancel_requested", "retry_of", "created_at", "started_at", "finished_at", "last_event_id",
                "links",
            ]
            for member in members { #expect(job[member] != nil, "\(member) is present even without a value") }

            let reader = try daemon.follow(id)
            try checkHead(reader.head)
            let first = try #require(try reader.next())
            let epoch = try #require(first.id?.split(separator: "-").first.map(String.init))
            #expect(try first.raw.wholeMatch(of: helloBlock(job: id)) != nil, "\(first.raw)")
            #expect(first.id == "\(epoch)-0")
            let live = try reader.rest()
            #expect(reader.endedCleanly)
            for block in live { try checkBlock(block, job: id) }
            let log = JobLog(live)
            try log.checkWhole()
            #expect(log.types.prefix(3) == ["job.queued", "job.started", "stage.started"])
            #expect(log.types.last == "job.succeeded")
            #expect(log.types.filter { $0 == "stage.succeeded" }.count == 8)

            try checkSameEverywhere(daemon, id, log)
            try checkJob(daemon, id, log)
            try checkEnd(daemon, id, log)
        }
    }

    @Test("one request submits a job and streams its events")
    func submitAndWatch() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let socket = try daemon.connect()
            let reader = try EventReader(socket, RequestText.submission(accept: "text/event-stream"))
            #expect(reader.head.status == 201)
            #expect(reader.head["location"]?.hasPrefix("/v1/jobs/job_") == true)
            #expect(try reader.next()?.event == "stream.hello")
            let log = JobLog(try reader.rest())
            try log.checkWhole()
            #expect(reader.endedCleanly)
            let next = try socket.exchange("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(next.status == 200, "the connection serves another request after the stream")
        }
    }

    @Test("an HTTP/1.0 reader gets no chunks, and the end of the connection is the end of the stream")
    func http10() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let id = try daemon.submit()
            let reader = try EventReader(daemon.connect(), "GET /v1/jobs/\(id)/events HTTP/1.0\r\n\r\n")
            #expect(reader.head["transfer-encoding"] == nil)
            #expect(reader.head["connection"] == "close")
            try JobLog(try reader.rest()).checkWhole()
        }
    }

    private func checkHead(_ head: ResponseHead) throws {
        #expect(head.status == 200)
        #expect(head["content-type"] == "text/event-stream; charset=utf-8")
        #expect(head["cache-control"] == "no-store, no-transform")
        #expect(head["x-accel-buffering"] == "no")
        #expect(head["connection"] == "keep-alive")
        #expect(head["transfer-encoding"] == "chunked")
        #expect(head["content-encoding"] == nil)
    }

    private func helloBlock(job: String) throws -> Regex<AnyRegexOutput> {
        try Regex(
            #"retry: \d+\nid: [0-9a-f]{8}-\d+\nevent: stream\.hello\ndata: \{"type":"stream\.hello","job":""# + job
                + #"","cursor":"[0-9a-f]{8}-\d+","head":"[0-9a-f]{8}-\d+","heartbeat_seconds":10\}\n\n"#)
    }

    /// An event consists of exactly these three lines, and the data begins as documented.
    private func checkBlock(_ block: EventBlock, job: String) throws {
        guard block.raw != ": hb\n\n" else { return }
        let (id, type) = (try #require(block.id), try #require(block.event))
        let data = try #require(block.data)
        #expect(block.raw == "id: \(id)\nevent: \(type)\ndata: \(data)\n\n")
        let sequence = try #require(id.split(separator: "-").last)
        #expect(
            data.hasPrefix(#"{"id":"\#(id)","type":"\#(type)","job":"\#(job)","seq":\#(sequence),"at":""#), "\(data)")
    }

    /// The replay, NDJSON, pages and streams without event lines contain the same bytes.
    private func checkSameEverywhere(_ daemon: any TestDaemon, _ id: String, _ log: JobLog) throws {
        #expect(try daemon.wholeLog(of: id).lines == log.lines)
        let lines = try daemon.get("/v1/jobs/\(id)/events", "Accept: application/x-ndjson")
        #expect(lines["content-type"] == "application/x-ndjson")
        #expect(lines.body == log.lines.map { $0 + "\n" }.joined())
        let page = try daemon.get("/v1/jobs/\(id)/events?limit=1000", "Accept: application/json")
        let last = try #require(log.last)
        let end = #"],"last_event_id":"\#(last)","head":"\#(last)","finished":true}"#
        #expect(page.body == #"{"events":["# + log.lines.joined(separator: ",") + end + "\n")
        let messages = try daemon.follow(id, "?format=message").rest()
        #expect(messages.allSatisfy { $0.event == nil })
        #expect(messages.dropFirst().map(\.data) == log.lines)
    }

    /// The job document matches its event log.
    private func checkJob(_ daemon: any TestDaemon, _ id: String, _ log: JobLog) throws {
        let job = try daemon.get("/v1/jobs/\(id)").object()
        let first = try JSON.object(log.lines[0])
        let last = try JSON.object(try #require(log.lines.last))
        #expect(job["state"] as? String == "succeeded")
        #expect(job["progress"] as? Double == 1)
        #expect(job["last_event_id"] as? String == log.last)
        #expect(job["created_at"] as? String == first["at"] as? String)
        #expect(job["finished_at"] as? String == last["at"] as? String)
        #expect((job["output"] as? [String: Any])?["simulated"] as? Bool == true)
        let stages = try #require(job["stages"] as? [Any]).compactMap { $0 as? [String: Any] }
        #expect(stages.count == 8)
        for stage in stages {
            let name = try #require(stage["name"] as? String)
            #expect(stage["state"] as? String == "succeeded")
            for (type, member) in [("stage.started", "started_at"), ("stage.succeeded", "finished_at")] {
                let event = try zip(log.types, log.lines).filter { $0.0 == type }.map { try JSON.object($0.1) }
                    .first { $0["stage"] as? String == name }
                #expect(stage[member] as? String == event?["at"] as? String)
            }
        }
    }

    /// A client that has the final event gets the end in each representation.
    private func checkEnd(_ daemon: any TestDaemon, _ id: String, _ log: JobLog) throws {
        let last = try #require(log.last)
        for accept in ["text/event-stream", "application/x-ndjson"] {
            let response = try daemon.get("/v1/jobs/\(id)/events", "Accept: \(accept)", "Last-Event-ID: \(last)")
            #expect(response.status == 204)
        }
        let page = try daemon.get("/v1/jobs/\(id)/events?after=\(last)", "Accept: application/json")
        #expect(page.status == 200)
        #expect(page.body == #"{"events":[],"last_event_id":"\#(last)","head":"\#(last)","finished":true}"# + "\n")
    }
}
