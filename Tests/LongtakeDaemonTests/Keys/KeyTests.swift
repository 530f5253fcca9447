import FoundationEssentials
import GRDB
import LongtakeDaemonDriver
import Testing

/// `auth.mode: keys`: who gets access, and to what.
@Suite(.serialized) struct KeyTests {
    private static func start(_ more: String...) throws -> DaemonProcess {
        try DaemonProcess("--speed", "100", environment: ["LONGTAKE_AUTH_MODE=keys"] + more)
    }

    // This test failed when `Access.caller` required no key, and when it did not check rights.
    @Test("rejects requests without a known key, and allows a known key what its rights say")
    func rights() async throws {
        try await onOwnThread {
            let daemon = try Self.start()
            let anonymous = TestClient(daemon: daemon)
            #expect(daemon.log.contains("there is no API key yet"))
            for (method, path) in [
                ("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("GET", "/v1/events"), ("GET", "/v1/pipelines"),
                ("GET", "/v1/jobs/job_00000000000000000000000000"), ("POST", "/v1/tickets"), ("GET", "/v1/backups"),
            ] {
                // Requests JSON, which the feed does not offer. A feed that were open would
                // otherwise be read without end.
                let answer = try anonymous.ask(method, path, ["Accept: application/json"])
                #expect(answer.status == 401, "\(method) \(path)")
                #expect(answer["www-authenticate"] == #"Bearer realm="longtake""#)
                #expect(answer["content-type"] == "application/problem+json")
            }
            #expect(try anonymous.get("/healthz").status == 200)
            #expect(try anonymous.get("/readyz").status == 200)

            let reader = try TestClient.make(daemon, tenant: "acme", rights: "read").client
            #expect(try reader.get("/v1/jobs").status == 200)
            let refused = try reader.post("/v1/jobs", #"{"input":{"prompt":"a"}}"#)
            #expect(refused.status == 403)
            #expect(refused["www-authenticate"]?.contains(#"error="insufficient_scope", scope="submit""#) == true)
            #expect(try reader.post("/v1/backups").status == 403)
            let writer = try TestClient.make(daemon, tenant: "acme", rights: "submit").client
            let job = try writer.submit()
            #expect(try writer.get("/v1/jobs/\(job)").status == 403)
            #expect(try reader.get("/v1/jobs/\(job)").status == 200)

            let key = reader.fields[0]
            for field in [
                "Authorization: Bearer", "Authorization: Basic YTpi", "Authorization: Bearer x", String(key.dropLast()),
                key.dropLast() + (key.hasSuffix("0") ? "1" : "0"), key + " x", "Authorization: \(key.suffix(81))",
            ] {
                let answer = try TestClient(daemon: daemon, fields: [String(field)]).get("/v1/jobs")
                #expect(answer.status == 401, "\(field)")
                #expect(answer["www-authenticate"]?.contains("invalid_token") == true)
            }
            // Two Authorization headers contradict each other.
            #expect(try TestClient(daemon: daemon, fields: [key, key]).get("/v1/jobs").status == 401)
        }
    }

    // This test failed when routes read as the tenant “anonymous”.
    @Test("another tenant's jobs appear not to exist, and idempotency keys are separate per tenant")
    func tenants() async throws {
        try await onOwnThread {
            let daemon = try Self.start("LONGTAKE_QUEUES_CPU_WORKERS=0")
            let one = try TestClient.make(daemon, tenant: "one").client
            let two = try TestClient.make(daemon, tenant: "two").client
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
                try two.post("/v1/jobs/\(job)/cancel"),
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

    // This test failed when every error of the existence check counted as a missing file.
    @Test(
        "startup fails if a key file exists, or may exist, and cannot be read",
        arguments: ["dangling", "file/keys"])
    func unreachable(name: String) async throws {
        try await onOwnThread {
            let scratch = try DaemonProcess()
            #expect(scratch.stop() == 0)
            try FileManager.default.createSymbolicLink(
                atPath: scratch.directory + "/dangling", withDestinationPath: scratch.directory + "/nowhere")
            try Data().write(to: URL(filePath: scratch.directory + "/file"))
            let (status, output) = try DaemonProcess.run(
                ["serve", "--data", scratch.directory + "/data", "--port", "0"],
                environment: ["LONGTAKE_AUTH_MODE=keys", "LONGTAKE_AUTH_KEYS_FILE=\(scratch.directory)/\(name)"])
            #expect(status == 1 && output.contains("cannot read the keys"), "\(output)")
        }
    }

    // This test failed without `endStreams` in `keysChanged`, and when the key ring kept revoked
    // keys.
    @Test(
        "after SIGHUP a revoked key is rejected and its streams end; an invalid key file changes nothing"
    )
    func revocation() async throws {
        try await onOwnThread {
            let daemon = try Self.start("LONGTAKE_QUEUES_CPU_WORKERS=0")
            let (client, id) = try TestClient.make(daemon, tenant: "acme")
            let other = try TestClient.make(daemon, tenant: "acme").client
            let job = try client.submit()
            let ticket = try client.ticket([job])
            let stream = try client.stream("/v1/jobs/\(job)/events")
            let ticketStream = try TestClient(daemon: daemon).stream("/v1/jobs/\(job)/events?ticket=\(ticket)")
            let otherStream = try other.stream("/v1/jobs/\(job)/events")
            for reader in [stream, ticketStream, otherStream] { #expect(try reader.next()?.event == "stream.hello") }

            #expect(try TestClient.run(daemon, "revoke", id).status == 0)
            // Before SIGHUP the key is still valid.
            #expect(try client.get("/v1/jobs").status == 200)
            try TestClient.reload(daemon) { try client.get("/v1/jobs").status == 401 }
            for reader in [stream, ticketStream] {
                #expect(try reader.rest(within: 20).last?.data == #"{"type":"stream.end","reason":"unauthorized"}"#)
                #expect(reader.endedCleanly)
            }
            #expect(try TestClient(daemon: daemon).get("/v1/jobs/\(job)/events?ticket=\(ticket)").status == 401)
            #expect(try other.post("/v1/jobs/\(job)/cancel").status == 200)
            #expect(try otherStream.rest().last?.event == "job.canceled")
            #expect(try TestClient.run(daemon, "list").output.contains("revoked"))
            #expect(try TestClient.run(daemon, "revoke", "000000000000").status == 1)

            let file = URL(filePath: daemon.directory + "/data/keys.json")
            // Each hash has one letter too many, as after a manual edit. If the keys were silently
            // ignored, they would be lost.
            let damaged = try String(contentsOf: file, encoding: .utf8).replacing(#""hash":""#, with: #""hash":"-"#)
            for (time, text) in [damaged, "{"].enumerated() {
                try Data(text.utf8).write(to: file)
                try TestClient.reload(daemon) {
                    daemon.log.components(separatedBy: "cannot reload the API keys").count == time + 2
                }
                #expect(try other.get("/v1/jobs").status == 200)
                #expect(try client.get("/v1/jobs").status == 401)
                let (status, output) = try TestClient.run(daemon, "list")
                #expect(status == 1 && output.contains("is not a valid key file"), "\(output)")
            }
        }
    }

    @Test(
        "requests do not read the key file, which contains no key and is readable by its owner only")
    func memory() async throws {
        try await onOwnThread {
            let daemon = try Self.start()
            let client = try TestClient.make(daemon, tenant: "acme").client
            let path = daemon.directory + "/data/keys.json"
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(!text.contains(client.fields[0].suffix(64)))
            #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
            try FileManager.default.removeItem(atPath: path)
            #expect(try client.get("/v1/jobs").status == 200)
        }
    }

    // This test failed without a call of `rates.take`.
    @Test("limits the request rate of a key with Retry-After, and does not limit other keys")
    func rates() async throws {
        try await onOwnThread {
            let daemon = try Self.start("LONGTAKE_LIMITS_REQUESTS_PER_SECOND_PER_KEY=50")
            let busy = try TestClient.make(daemon, tenant: "acme").client
            let quiet = try TestClient.make(daemon, tenant: "acme").client
            let deadline = Deadline(20)
            var refused: Exchange?
            while refused == nil {
                try #require(!deadline.isOver)
                // Many requests are sent at once, so that a slow machine also exceeds the rate.
                let socket = try daemon.connect()
                try socket.send(
                    String(
                        repeating: "GET /v1/jobs?limit=1 HTTP/1.1\r\nHost: localhost\r\n\(busy.fields[0])\r\n\r\n",
                        count: 200))
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
        try await onOwnThread {
            let daemon = try Self.start("LONGTAKE_STREAM_MAX_STREAMS_PER_KEY=1", "LONGTAKE_QUEUES_CPU_WORKERS=0")
            let client = try TestClient.make(daemon, tenant: "acme").client
            let other = try TestClient.make(daemon, tenant: "acme").client
            let job = try client.submit()
            let ticket = try client.ticket([job])
            var open: EventReader? = try client.stream("/v1/jobs/\(job)/events")
            #expect(try open?.next()?.event == "stream.hello")
            #expect(try daemon.follow(job, "", client.fields[0]).head.status == 429)
            let soft = try TestClient(daemon: daemon).stream("/v1/jobs/\(job)/events?ticket=\(ticket)")
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
        try await onOwnThread {
            let daemon = try Self.start("LONGTAKE_QUEUES_CPU_WORKERS=0")
            let many = try TestClient.make(daemon, tenant: "many").client
            let one = try TestClient.make(daemon, tenant: "one").client
            let (busy, job) = (try many.submit(), try one.submit())
            let request =
                "GET /v1/jobs/\(busy) HTTP/1.1\r\nHost: localhost\r\n\(many.fields[0])\r\nPrefer: wait=50\r\n\r\n"
            let lines = try (0..<300).map { _ in try daemon.connect() }
            for line in lines { try line.send(request) }
            let deadline = Deadline(20)
            while !lines.contains(where: { $0.hasBytes }) { try #require(!deadline.isOver, "no request was rejected") }
            let ready = lines.first { $0.hasBytes }
            let refused = try #require(ready).readResponse()
            #expect(refused.status == 429 && refused["retry-after"] != nil)
            #expect(try one.get("/v1/jobs/\(job)", "Prefer: wait=1").status == 200)
        }
    }

    // This test failed when claims were ordered by job alone.
    @Test("hundreds of queued jobs of one tenant delay another tenant's job by at most one claim")
    func fairness() async throws {
        try await onOwnThread {
            let daemon = try Self.start("LONGTAKE_QUEUES_CPU_WORKERS=1", "LONGTAKE_SIMULATION_SPEED=300")
            let many = try TestClient.make(daemon, tenant: "many").client
            let one = try TestClient.make(daemon, tenant: "one").client
            let socket = try daemon.connect()
            let body = #"{"input":{"prompt":"a"}}"#
            let request =
                "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\(many.fields[0])\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            for _ in 0..<300 { #expect(try socket.exchange(request).status == 201) }
            let job = try one.submit()
            let stream = try one.stream("/v1/jobs/\(job)/events")
            while let block = try stream.next(), block.event != "job.started" {}
            #expect(daemon.stop() == 0)
            let database = try DatabaseQueue(path: daemon.directory + "/data/longtake.db")
            let between = try database.read { db in
                try Int.fetchOne(
                    db,
                    sql: """
                        SELECT count(*) FROM event JOIN job ON job.key = event.job
                        WHERE tenant = 'many' AND type = 'job.started'
                            AND position > (SELECT position FROM event JOIN job ON job.key = event.job WHERE job.id = ?1 AND seq = 1)
                            AND position < (SELECT position FROM event JOIN job ON job.key = event.job WHERE job.id = ?1 AND type = 'job.started')
                        """, arguments: [job])
            }
            #expect(try #require(between) <= 1)
        }
    }
}
