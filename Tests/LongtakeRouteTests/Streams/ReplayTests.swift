import LongtakeDaemonDriver
import Testing

/// Repeated submissions with the same `Idempotency-Key`.
@Suite struct ReplayTests {
    private static func request(_ fields: String..., body: String = RequestText.boat) -> String {
        RequestText.of("POST", "/v1/jobs", ["Idempotency-Key: k-1"] + fields, body: body)
    }

    private static func watch(_ daemon: any TestDaemon, _ fields: String..., query: String = "") throws -> EventReader {
        let fields = ["Idempotency-Key: k-1", "Accept: text/event-stream"] + fields
        return try EventReader(
            daemon.connect(), RequestText.of("POST", "/v1/jobs\(query)", fields, body: RequestText.boat))
    }

    @Test(
        "a client that repeats its submission after each disconnect gets the event log of one job, and 204 at its end"
    )
    func watching() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            var log = JobLog()
            var (location, posts) = ("", 0)
            while log.types.last != "job.succeeded" {
                let reader = try log.last.map { try Self.watch(daemon, "Last-Event-ID: \($0)") } ?? Self.watch(daemon)
                #expect(reader.head.status == (posts == 0 ? 201 : 200))
                #expect(reader.head["idempotent-replayed"] == (posts == 0 ? nil : "true"))
                #expect(reader.head["content-type"] == "text/event-stream; charset=utf-8")
                if posts > 0 { #expect(reader.head["location"] == location) }
                location = try #require(reader.head["location"])
                posts += 1
                let hello = try #require(try reader.next())
                #expect(hello.event == "stream.hello")
                if let last = log.last { #expect(hello.id == last) }
                // The client disconnects after a few events.
                for _ in 0..<5 where log.types.last != "job.succeeded" { log.add(try #require(try reader.next())) }
            }
            try log.checkWhole()
            #expect(posts > 3)

            let last = try #require(log.last)
            let end = try daemon.connect().exchange(
                Self.request("Accept: text/event-stream", "Last-Event-ID: \(last)"))
            #expect(end.status == 204)
            #expect(end["idempotent-replayed"] == "true" && end["location"] == location)
            #expect(JobLog(try Self.watch(daemon).rest()).lines == log.lines, "without a cursor, the whole event log")
            let foreign = try Self.watch(daemon, "Last-Event-ID: \(last)0").rest()
            #expect(foreign.map(\.event) == ["stream.hello", "stream.reset", "job.snapshot"])
            let messages = try Self.watch(daemon, query: "?format=message").rest()
            #expect(messages.allSatisfy { $0.event == nil } && messages.count == log.lines.count + 1)

            let other = #"{"input":{"prompt":"another boat"}}"#
            #expect(try daemon.connect().exchange(Self.request("Accept: text/event-stream", body: other)).status == 422)
            let jobs = try #require(try daemon.get("/v1/jobs").object()["jobs"] as? [Any])
            #expect(jobs.count == 1)
        }
    }

    @Test("a repeated submission without a stream returns the current job, or the final job if it waits")
    func looking() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let first = try daemon.connect().exchange(Self.request())
            #expect(first.status == 201 && first["idempotent-replayed"] == nil)
            let now = try daemon.connect().exchange(Self.request())
            #expect(now.status == 200 && now["idempotent-replayed"] == "true" && now["preference-applied"] == nil)
            #expect(now["location"] == first["location"])
            let ended = try daemon.connect().exchange(Self.request("Prefer: wait=50"), within: 60)
            #expect(ended.status == 200 && ended["idempotent-replayed"] == "true")
            #expect(ended["preference-applied"] == "wait")
            #expect(try ended.object()["state"] as? String == "succeeded")
            let still = try daemon.connect().exchange(Self.request())
            #expect(still.body == ended.body && still["etag"] == ended["etag"])
            // A stream already waits, so the response does not confirm another wait.
            let watching = try Self.watch(daemon, "Prefer: wait=50")
            #expect(watching.head.status == 200 && watching.head["preference-applied"] == nil)
        }
    }

    @Test("at the limit of streams a submission still succeeds, also when it is repeated")
    func cap() async throws {
        try await LocalDaemon.run(environment: [
            "LONGTAKE_STREAM_MAX_STREAMS=1", "LONGTAKE_QUEUES_CPU_WORKERS=0",
        ]) { daemon in
            let reader = try daemon.feed()
            _ = try reader.next()
            var locations: Set<String> = []
            for status in [201, 200] {
                let refused = try Self.watch(daemon)
                #expect(refused.head.status == status)
                locations.insert(try #require(refused.head["location"]))
                #expect(try refused.rest().map(\.data) == [#"{"type":"stream.end","reason":"limit"}"#])
                #expect(refused.endedCleanly)
            }
            #expect(locations.count == 1)
            let jobs = try #require(try daemon.get("/v1/jobs").object()["jobs"] as? [Any])
            #expect(jobs.count == 1)
        }
    }

    // This test failed without the name in Query.cursorNames: the status was 400, after which a
    // polyfill never reconnects.
    @Test(
        "lastEventId of a polyfill resumes a stream, a page and the feed; several cursors follow the documented order")
    func polyfill() async throws {
        try await LocalDaemon.run("--speed", "1000") { daemon in
            let job = try daemon.submit()
            let all = try daemon.follow(job).rest().filter { $0.id != nil && $0.event != "stream.hello" }
            let (second, third) = (try #require(all[1].id), try #require(all[2].id))
            func first(_ query: String, _ field: String = "X-A: 1") throws -> String? {
                let reader = try daemon.stream("/v1/jobs/\(job)/events?\(query)", field)
                #expect(reader.head.status == 200, "\(query)")
                _ = try reader.next()
                return try reader.next()?.id
            }
            #expect(try first("lastEventId=\(second)") == third)
            #expect(try first("&lastEventId=\(second)") == third)
            #expect(try first("lastEventId=1&lastEventId=\(second)") == third)
            #expect(try first("lastEventId=\(second)&r=4502042491192193") == third)
            #expect(try first("format=message&lastEventId=\(second)") == third)
            #expect(try first("last_event_id=1&after=1&lastEventId=\(second)") == third)
            #expect(try first("lastEventId=&last_event_id=\(second)&after=1") == third)
            #expect(try first("lastEventId=1", "Last-Event-ID: \(second)") == third)
            #expect(try first("lastEventId=\(second)", "Last-Event-ID: ") == third)
            let page = try daemon.get("/v1/jobs/\(job)/events?lastEventId=\(second)", "Accept: application/json")
            #expect(page.body.hasPrefix("{\"events\":[{\"id\":\"\(third)\""))
            let feed = try daemon.feed("?lastEventId=0")
            #expect(feed.head.status == 200)
            _ = try feed.next()
            #expect(try feed.next()?.event == "job.queued")
            let posted = try daemon.post("/v1/jobs?lastEventId=1", #"{"input":{"prompt":"a boat"}}"#)
            #expect(posted.status == 400)
        }
    }
}
