import LongtakeDaemonDriver
import Testing

/// What a web page in a browser on the same machine can do.
@Suite struct WebPageTests {
    // This test failed without the call of `OriginPolicy.refusal` in `RequestService`.
    @Test("a page of another site cannot control a daemon without keys, not even with its own host name")
    func guarded() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_HTTP_CORS_ORIGINS=https://app.example.org"]) { daemon in
            let job = try daemon.submit()
            func ask(_ host: String, _ fields: String) throws -> Exchange {
                try daemon.connect().exchange(
                    "POST /v1/jobs/\(job)/cancel HTTP/1.1\r\nHost: \(host)\r\n\(fields)Content-Length: 0\r\n\r\n")
            }
            #expect(try ask("evil.example.org", "").status == 421)
            #expect(try ask("localhost", "Origin: https://evil.example.org\r\n").status == 403)
            #expect(try ask("localhost", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n").status == 403)
            #expect(try daemon.get("/v1/jobs/\(job)").object()["cancel_requested"] as? Bool == false)
            let allowed = try ask("localhost", "Origin: https://app.example.org\r\n")
            #expect(allowed.status == 200 || allowed.status == 202)
            #expect(allowed["access-control-allow-origin"] == "https://app.example.org")
        }
    }

    // This test failed without `Sender.isProbe`.
    @Test("answers probes for any Host, and other routes only for the names in http.allowed_hosts")
    func allowedHosts() async throws {
        try await LocalDaemon.run(
            environment: ["LONGTAKE_HTTP_ALLOWED_HOSTS=longtake.example.com,*.example.org"]
        ) { daemon in
            func status(_ path: String, _ host: String) throws -> Int {
                try daemon.connect().exchange("GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\r\n").status
            }
            for path in ["/healthz", "/readyz"] {
                let probe = try status(path, "10-0-0-7.balancer.internal")
                #expect(probe == 200, "\(path)")
            }
            for path in ["/", "/openapi.json", "/v1/jobs", "/metrics"] {
                #expect(try status(path, "10-0-0-7.balancer.internal") == 421, "\(path)")
                for host in ["longtake.example.com", "a.example.org", "a.b.example.org:8443"] {
                    #expect(try status(path, host) == 200, "\(path) \(host)")
                }
                #expect(try status(path, "example.org") == 421, "\(path)")
            }
        }
        let keyed = ["LONGTAKE_AUTH_MODE=keys", "LONGTAKE_HTTP_ALLOWED_HOSTS=*"]
        try await LocalDaemon.run(environment: keyed) { daemon in
            let answer = try daemon.connect().exchange("GET /v1/jobs HTTP/1.1\r\nHost: any.example\r\n\r\n")
            #expect(answer.status == 401)
        }
    }

    @Test("every response to an allowed page has CORS headers, including errors, streams and preflights")
    func cors() async throws {
        try await LocalDaemon.run(
            "--speed", "1000",
            environment: ["LONGTAKE_AUTH_MODE=keys", "LONGTAKE_HTTP_CORS_ORIGINS=https://app.example.org"]
        ) { daemon in
            let page = TestClient(daemon, fields: ["Origin: https://app.example.org"])
            let refused = try page.get("/v1/jobs")
            #expect(refused.status == 401)
            #expect(refused["access-control-allow-origin"] == "https://app.example.org")
            let owner = try daemon.makeClient(tenant: "acme")
            let job = try owner.submit()
            let stream = try page.stream("/v1/jobs/\(job)/events?ticket=\(try owner.ticket([job]))")
            #expect(stream.head["access-control-allow-origin"] == "https://app.example.org")
            #expect(stream.head["vary"] == "Origin")
            #expect(try stream.rest().last?.event == "job.succeeded")
            let asked = try page.request(
                "OPTIONS", "/v1/jobs", "Access-Control-Request-Method: POST",
                "Access-Control-Request-Headers: authorization")
            #expect(asked.status == 204)
            #expect(asked["access-control-allow-headers"]?.contains("Authorization") == true)
            #expect(asked["access-control-allow-credentials"] == nil)
            // This request is rejected before it reaches a route.
            let large = try page.post("/v1/jobs", String(repeating: "a", count: 70_000))
            #expect(large.status == 413)
            #expect(large["access-control-allow-origin"] == "https://app.example.org")
            #expect(large["x-content-type-options"] == "nosniff")
            let foreign = try TestClient(daemon, fields: ["Origin: https://evil.example.org"]).get("/healthz")
            #expect(foreign["access-control-allow-origin"] == nil)
            #expect(foreign["vary"] == "Origin")
        }
    }

    /// The headers that may occur several times in a response (RFC 9110 §5.3). The daemon sends
    /// none of them twice.
    // This test failed with `append` in place of the assignments in `OriginPolicy.dress`: the
    // preflight response had two Access-Control-Allow-Origin headers.
    @Test(
        "no response repeats a header or a name in Vary: preflights, 204, 304, errors, streams, streams that end at once"
    )
    func once() async throws {
        let origin = "Origin: https://app.example.org"
        try await LocalDaemon.run(
            "--speed", "1000",
            environment: [
                "LONGTAKE_AUTH_MODE=keys", "LONGTAKE_HTTP_CORS_ORIGINS=https://app.example.org",
                "LONGTAKE_STREAM_MAX_STREAMS_PER_KEY=1",
            ]
        ) { daemon in
            var owner = try daemon.makeClient(tenant: "acme")
            owner.fields.append(origin)
            let page = TestClient(daemon, fields: [origin])
            let id = try owner.submit()
            let done = try owner.get("/v1/jobs/\(id)", "Prefer: wait=20")
            let last = try done.text("last_event_id")
            let held = try owner.stream("/v1/events")
            let heads = [
                try page.request("OPTIONS", "/v1/jobs", "Access-Control-Request-Method: POST").head,
                try page.request("OPTIONS", "/v1/jobs").head, try page.get("/v1/jobs").head,
                try page.get("/nothing").head,
                done.head, try owner.get("/v1/jobs/\(id)", "If-None-Match: \(try #require(done["etag"]))").head,
                try owner.get("/v1/jobs/\(id)/events?after=\(last)", "Accept: text/event-stream").head,
                try owner.get("/v1/jobs/\(id)?x=1").head, try owner.request("PUT", "/v1/jobs").head,
                try owner.request("DELETE", "/v1/jobs/\(id)").head, try owner.post("/v1/jobs", "{}").head,
                try owner.post("/v1/jobs", String(repeating: "a", count: 70_000)).head,
                try owner.stream("/v1/jobs/\(try owner.submit())/events").head, held.head,
                try page.request("HEAD", "/v1/jobs").head, try page.get("/").head,
            ]
            #expect(Set(heads.map(\.status)).isSuperset(of: [200, 204, 304, 400, 401, 404, 405, 413, 422]))
            for head in heads {
                let names = head.fields.map { $0.name.lowercased() }
                #expect(Set(names).count == names.count, "\(head.status): \(names)")
                #expect(head["access-control-allow-origin"] == "https://app.example.org", "\(head.status)")
                let vary = head["vary"]?.lowercased().split(separator: ",").map { $0.filter { $0 != " " } } ?? []
                #expect(Set(vary).count == vary.count && vary.contains("origin"), "\(head.status): \(vary)")
            }
        }
    }

    @Test("a preflight allows the headers of the API, of tracing and of HTTP libraries")
    func preflightHeaders() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_HTTP_CORS_ORIGINS=https://app.example.org"]) { daemon in
            let page = TestClient(daemon, fields: ["Origin: https://app.example.org"])
            let answer = try page.request("OPTIONS", "/v1/jobs", "Access-Control-Request-Method: POST")
            #expect(answer.status == 204)
            let allowed = answer["access-control-allow-headers"]?.lowercased().split(separator: ",").map {
                $0.filter { $0 != " " }
            }
            for name in [
                "authorization", "content-type", "idempotency-key", "last-event-id", "prefer", "if-none-match",
                "traceparent", "tracestate", "baggage", "sentry-trace", "x-requested-with", "cache-control",
            ] { #expect(allowed?.contains(name) == true, "\(name)") }
        }
    }

    @Test("every response forbids content sniffing, frames and referrers")
    func headers() async throws {
        try await LocalDaemon.run { daemon in
            let job = try daemon.submit()
            let answers = [
                try daemon.get("/healthz").head, try daemon.get("/nothing").head, try daemon.follow(job).head,
                try daemon.get("/v1/jobs/\(job)").head,
            ]
            for head in answers {
                #expect(head["x-content-type-options"] == "nosniff")
                #expect(head["referrer-policy"] == "no-referrer")
                #expect(head["cross-origin-resource-policy"] == "same-origin")
                #expect(head["content-security-policy"]?.contains("frame-ancestors 'none'") == true)
            }
        }
    }
}
