import LongtakeDaemonDriver
import Testing

/// `Prefer: wait=N`.
@Suite struct WaitTests {
    @Test("a wait without a tag returns when the job is final, for submissions and reads")
    func untilFinal() async throws {
        try await LocalDaemon.run("--speed", "1000") { daemon in
            let created = try daemon.post("/v1/jobs", RequestText.boat, "Prefer: wait=50", within: 60)
            #expect(created.status == 201)
            #expect(created["preference-applied"] == "wait")
            #expect(created["location"] != nil && created["etag"] != nil)
            #expect(try created.object()["state"] as? String == "succeeded")
            let id = try daemon.submit()
            let ended = try daemon.get("/v1/jobs/\(id)", "Prefer: respond-async, wait=50", within: 60)
            #expect(ended.status == 200)
            #expect(ended["preference-applied"] == "wait")
            #expect(try ended.object()["state"] as? String == "succeeded")
        }
    }

    @Test("a wait with a tag returns at each change, and at once for a final job")
    func untilChange() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let id = try daemon.submit()
            var tag = "W/\"none\""
            var tags: [String] = []
            var state = ""
            while state != "succeeded" {
                let job = try daemon.get("/v1/jobs/\(id)", "Prefer: wait=50", "If-None-Match: \(tag)", within: 60)
                try #require(job.status == 200, "\(tag)")
                #expect(job["preference-applied"] == "wait")
                tag = try #require(job["etag"])
                tags.append(tag)
                state = try #require(job.object()["state"] as? String)
            }
            #expect(Set(tags).count == tags.count, "each response has a new tag")
            #expect(tags.count > 2)
            // Otherwise these requests would use the whole time limit of the test.
            let last = try daemon.get("/v1/jobs/\(id)", "Prefer: wait=50", "If-None-Match: \(tag)", within: 20)
            #expect(last.status == 304 && last["etag"] == tag && last["preference-applied"] == "wait")
            let any = try daemon.get("/v1/jobs/\(id)", "Prefer: wait=50", "If-None-Match: *", within: 20)
            #expect(any.status == 304)
        }
    }

    @Test("when its time is over, a wait returns the current job, or 304 for the current tag")
    func over() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            for seconds in [0, 1] {
                let created = try daemon.post("/v1/jobs", RequestText.boat, "Prefer: wait=\(seconds)")
                #expect(created.status == 201)
                #expect(created["preference-applied"] == "wait")
                let job = try created.object()
                #expect(job["state"] as? String == "queued")
                let (id, tag) = (try #require(job["id"] as? String), try #require(created["etag"]))
                let waited = try daemon.get("/v1/jobs/\(id)", "Prefer: wait=\(seconds)")
                #expect(waited.status == 200 && waited["etag"] == tag)
                let known = try daemon.get("/v1/jobs/\(id)", "Prefer: wait=\(seconds)", "If-None-Match: \(tag)")
                #expect(known.status == 304 && known["preference-applied"] == "wait")
            }
            let id = try daemon.submit()
            #expect(try daemon.get("/v1/jobs/\(id)")["preference-applied"] == nil)
            for preference in ["wait", "wait=-1", "wait=x", "wait="] {
                let ignored = try daemon.get("/v1/jobs/\(id)", "Prefer: \(preference)")
                #expect(ignored.status == 200 && ignored["preference-applied"] == nil, "\(preference)")
                let created = try daemon.post("/v1/jobs", RequestText.boat, "Prefer: \(preference)")
                #expect(created.status == 201 && created["preference-applied"] == nil, "\(preference)")
            }
            let rounded = try daemon.post("/v1/jobs", RequestText.boat, "Prefer: wait=0.5")
            #expect(rounded.status == 201 && rounded["preference-applied"] == "wait=0")
        }
    }

    // Before waits were capped, this test failed with status 400.
    @Test("caps a wait above the limit and says so in the response")
    func capped() async throws {
        try await LocalDaemon.run("--speed", "1000") { daemon in
            let done = try daemon.post("/v1/jobs", RequestText.boat, "Prefer: wait=3600")
            #expect(done.status == 201)
            #expect(done["preference-applied"] == "wait=50")
            #expect(try done.text("state") == "succeeded")
        }
    }

    /// This test failed without the wake-up in EventWaiter.take, and without `ending` in JobWait.
    @Test("a cancel, a shutdown and a half-closed connection end a wait")
    func ended() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            let created = try daemon.connect().exchange(RequestText.submission())
            let id = try #require(try created.object()["id"] as? String)
            let tag = try #require(created["etag"])
            let path = "GET /v1/jobs/\(id) HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=50\r\n"
            let done = try Self.waiting(daemon, path + "\r\n")
            let submitting = try daemon.connect()
            try submitting.send(
                "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nPrefer: wait=50\r\n"
                    + "Content-Length: \(RequestText.boat.utf8.count)\r\n\r\n\(RequestText.boat)")
            // As many reads as both need before they wait, and more.
            for _ in 0..<50 { _ = try daemon.get("/v1/jobs/\(id)") }
            #expect(!done.hasBytes && !submitting.hasBytes)
            done.finishSending()
            #expect(try done.readResponse(within: 20).status == 200)
            submitting.finishSending()
            #expect(
                try submitting.readResponse(within: 20).status == 201,
                "the job exists, and the client gets its response")

            let change = try Self.waiting(daemon, path + "If-None-Match: \(tag)\r\n\r\n")
            let end = try Self.waiting(daemon, path + "\r\n")
            _ = try daemon.post("/v1/jobs/\(id)/cancel")
            for socket in [change, end] {
                let answer = try socket.readResponse(within: 20)
                #expect(answer.status == 200)
                #expect(try answer.object()["state"] as? String == "canceled")
            }

            let other = try daemon.submit()
            let drained = try Self.waiting(daemon, path.replacing(id, with: other) + "\r\n")
            #expect(daemon.stop() == 0)
            let last = try drained.readResponse(within: 20)
            #expect(last.status == 200 && last["preference-applied"] == "wait")
            #expect(try last.object()["state"] as? String == "queued")
        }
    }

    /// Sends a request after another one in one write. When the first is answered, the second has
    /// been accepted.
    private static func waiting(_ daemon: any TestDaemon, _ request: String) throws -> Socket {
        let socket = try daemon.connect()
        try socket.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + request)
        #expect(try socket.readResponse().status == 200)
        return socket
    }
}
