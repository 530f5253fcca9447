import LongtakeDaemonDriver
import Testing

/// `auth.mode: keys`: who gets access, and to what.
@Suite struct KeyTests {
    private static func run(
        _ more: String..., body: @escaping @Sendable (LocalDaemon) throws -> Void
    ) async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_AUTH_MODE=keys"] + more, body)
    }

    // This test failed when `Access.caller` required no key, and when it did not check rights.
    @Test("rejects requests without a known key, and allows a known key what its rights say")
    func rights() async throws {
        try await Self.run { daemon in
            for (method, path) in [
                ("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("GET", "/v1/events"), ("GET", "/v1/pipelines"),
                ("GET", "/v1/jobs/job_00000000000000000000000000"), ("POST", "/v1/tickets"), ("GET", "/v1/backups"),
            ] {
                // Requests JSON, which the feed does not offer. A feed that were open would
                // otherwise be read without end.
                let answer = try daemon.request(method, path, "Accept: application/json")
                #expect(answer.status == 401, "\(method) \(path)")
                #expect(answer["www-authenticate"] == #"Bearer realm="longtake""#)
                #expect(answer["content-type"] == "application/problem+json")
            }
            #expect(try daemon.get("/healthz").status == 200)
            #expect(try daemon.get("/readyz").status == 200)

            let reader = try daemon.makeClient(tenant: "acme", rights: "read")
            #expect(try reader.get("/v1/jobs").status == 200)
            let refused = try reader.post("/v1/jobs", #"{"input":{"prompt":"a"}}"#)
            #expect(refused.status == 403)
            #expect(refused["www-authenticate"]?.contains(#"error="insufficient_scope", scope="submit""#) == true)
            #expect(try reader.post("/v1/backups").status == 403)
            let writer = try daemon.makeClient(tenant: "acme", rights: "submit")
            let job = try writer.submit()
            #expect(try writer.get("/v1/jobs/\(job)").status == 403)
            #expect(try reader.get("/v1/jobs/\(job)").status == 200)

            let key = reader.fields[0]
            for field in [
                "Authorization: Bearer", "Authorization: Basic YTpi", "Authorization: Bearer x", String(key.dropLast()),
                key.dropLast() + (key.hasSuffix("0") ? "1" : "0"), key + " x", "Authorization: \(key.suffix(81))",
            ] {
                let answer = try TestClient(daemon, fields: [String(field)]).get("/v1/jobs")
                #expect(answer.status == 401, "\(field)")
                #expect(answer["www-authenticate"]?.contains("invalid_token") == true)
            }
            // Two Authorization headers contradict each other.
            #expect(try TestClient(daemon, fields: [key, key]).get("/v1/jobs").status == 401)
        }
    }

    // This test failed when routes read as the tenant “anonymous”.
    @Test("another tenant's jobs appear not to exist, and idempotency keys are separate per tenant")
    func tenants() async throws {
        try await Self.run("LONGTAKE_QUEUES_CPU_WORKERS=0") { daemon in
            let one = try daemon.makeClient(tenant: "one")
            let two = try daemon.makeClient(tenant: "two")
            let feed = try two.stream("/v1/events?after=0")
            let body = #"{"input":{"prompt":"a"}}"#
            let job = try one.submit(body, "Idempotency-Key: k")
            #expect(try one.submit(body, "Idempotency-Key: k") == job)
            let other = try two.submit(body, "Idempotency-Key: k")
            #expect(other != job)
            let missing = try two.get("/v1/jobs/job_00000000000000000000000000")
            for answer in [
                try two.get("/v1/jobs/\(job)"), try two.get("/v1/jobs/\(job)/events"),
                try two.get("/v1/jobs/\(job)/events", "Accept: application/json"),
                try two.post("/v1/jobs/\(job)/cancel"), try two.post("/v1/jobs/\(job)/retry"),
                try two.request("DELETE", "/v1/jobs/\(job)"),
            ] {
                #expect(answer.status == 404)
                #expect(answer.body == missing.body)
            }
            #expect(try two.post("/v1/tickets", "{\"jobs\":[\"\(job)\"]}").status == 422)
            let list = try two.get("/v1/jobs").body
            #expect(list.contains(other) && !list.contains(job))
            // The feed begins with the first event of the tenant, although the other tenant's event
            // is older.
            #expect(try feed.next()?.event == "stream.hello")
            #expect(try feed.next()?.data?.contains(other) == true)
            #expect(try one.get("/v1/jobs/\(job)").object()["state"] as? String == "queued")
        }
    }

    // This test failed without a call of `rates.take`.
    @Test("limits the request rate of a key with Retry-After, and does not limit other keys")
    func rates() async throws {
        try await Self.run("LONGTAKE_LIMITS_REQUESTS_PER_SECOND_PER_KEY=50") { daemon in
            let busy = try daemon.makeClient(tenant: "acme")
            let quiet = try daemon.makeClient(tenant: "acme")
            let deadline = Deadline(20)
            var refused: Exchange?
            while refused == nil {
                try #require(!deadline.isOver)
                // Many requests are sent at once, so that a slow machine also exceeds the rate.
                let socket = try daemon.connect()
                try socket.send(String(repeating: busy.text("GET", "/v1/jobs?limit=1"), count: 200))
                for _ in 0..<200 {
                    let answer = try socket.readResponse()
                    if answer.status == 429 { refused = answer }
                }
            }
            #expect(refused?["retry-after"] == "1")
            #expect(refused?.body.contains("urn:longtake:problem:too-many-requests") == true)
            #expect(try quiet.get("/v1/jobs?limit=1").status == 200)
            while try busy.get("/v1/jobs?limit=1").status != 200 { try #require(!deadline.isOver) }
        }
    }

    // This test failed when `takeSlot()` had no owner.
    @Test("limits the streams of a key together with its tickets, separately for each key")
    func streams() async throws {
        try await Self.run("LONGTAKE_STREAM_MAX_STREAMS_PER_KEY=1", "LONGTAKE_QUEUES_CPU_WORKERS=0") { daemon in
            let client = try daemon.makeClient(tenant: "acme")
            let other = try daemon.makeClient(tenant: "acme")
            let job = try client.submit()
            let ticket = try client.ticket([job])
            var open: EventReader? = try client.stream("/v1/jobs/\(job)/events")
            #expect(try open?.next()?.event == "stream.hello")
            #expect(try daemon.follow(job, "", client.fields[0]).head.status == 429)
            let soft = try daemon.stream("/v1/jobs/\(job)/events?ticket=\(ticket)")
            #expect(try soft.rest(within: 20).map(\.event) == ["stream.end"])
            #expect(try other.stream("/v1/jobs/\(job)/events").next()?.event == "stream.hello")
            open = nil
            let deadline = Deadline(10)
            while try client.stream("/v1/jobs/\(job)/events").next()?.event != "stream.hello" {
                try #require(!deadline.isOver)
            }
        }
    }

    // This test failed when `takeWaitSlot()` had no account.
    @Test("waiting requests of one key do not use up the waits of another key")
    func waits() async throws {
        try await Self.run("LONGTAKE_QUEUES_CPU_WORKERS=0") { daemon in
            let many = try daemon.makeClient(tenant: "many")
            let one = try daemon.makeClient(tenant: "one")
            let (busy, job) = (try many.submit(), try one.submit())
            let request = many.text("GET", "/v1/jobs/\(busy)", ["Prefer: wait=50"])
            let lines = try (0..<300).map { _ in try daemon.connect() }
            for line in lines { try line.send(request) }
            try #require(Socket.waitForBytes(on: lines, within: 20), "no request was rejected")
            let ready = lines.first { $0.hasBytes }
            let refused = try #require(ready).readResponse()
            #expect(refused.status == 429 && refused["retry-after"] != nil)
            #expect(try one.get("/v1/jobs/\(job)", "Prefer: wait=1").status == 200)
        }
    }
}
