import LongtakeDaemonDriver
import Testing

/// `http.public_url` and `http.trusted_proxies`: links, the home page and origins behind a proxy.
@Suite struct PublicURLTests {
    private static let url = "https://video.example.org/longtake"

    // This test failed with an empty `linkBase` in HTTPServer.
    @Test(
        "all links begin with the public URL: jobs, lists, snapshots, Location, the home page and the OpenAPI document")
    func links() async throws {
        try await LocalDaemon.run("--speed", "1000", environment: ["LONGTAKE_HTTP_PUBLIC_URL=\(Self.url)/"]) { daemon in
            let created = try daemon.post("/v1/jobs", #"{"input":{"prompt":"a boat"}}"#, "Idempotency-Key: k")
            let id = try created.text("id")
            #expect(created["location"] == "\(Self.url)/v1/jobs/\(id)")
            let again = try daemon.post("/v1/jobs", #"{"input":{"prompt":"a boat"}}"#, "Idempotency-Key: k")
            #expect(again["location"] == "\(Self.url)/v1/jobs/\(id)")
            let links = #""links":{"self":"\#(Self.url)/v1/jobs/\#(id)","events":"\#(Self.url)/v1/jobs/\#(id)/events","#
            #expect(created.body.contains(links))
            #expect(try daemon.get("/v1/jobs/\(id)", "Prefer: wait=20").body.contains(links))
            #expect(try daemon.get("/v1/jobs").body.contains(links))
            let reset = try daemon.follow(id, "?after=99999")
            #expect(try reset.rest().contains { $0.event == "job.snapshot" && $0.data?.contains(links) == true })
            let backup = try daemon.request("POST", "/v1/backups")
            #expect(backup["location"]?.hasPrefix("\(Self.url)/v1/backups/") == true)
            let page = try daemon.get("/", "Accept: text/html").body
            #expect(page.contains("curl -N \(Self.url)/v1/jobs "))
            #expect(page.contains("href=\"\(Self.url)/v1/jobs\""))
            let document = try daemon.get("/openapi.json").object()
            #expect((document["servers"] as? [[String: Any]])?.map { $0["url"] as? String } == [Self.url])
        }
    }

    @Test("without a public URL, links are paths, and the home page shows commands with the requested address")
    func relative() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_HTTP_TRUSTED_PROXIES=127.0.0.1"]) { daemon in
            #expect(
                try daemon.post("/v1/jobs", #"{"input":{"prompt":"a boat"}}"#)["location"]?.hasPrefix("/v1/jobs/")
                    == true)
            func page(_ fields: String...) throws -> String {
                let lines = (fields + ["Accept: text/html"]).map { $0 + "\r\n" }.joined()
                return try daemon.connect().exchange("GET / HTTP/1.1\r\n\(lines)\r\n").body
            }
            #expect(
                try page("Host: 127.0.0.1:\(daemon.port)").contains("curl -N http://127.0.0.1:\(daemon.port)/v1/jobs "))
            #expect(
                try page("Host: 127.0.0.1", "X-Forwarded-Host: localhost", "X-Forwarded-Proto: https")
                    .contains("curl -N https://localhost/v1/jobs "))
            let document = try daemon.get("/openapi.json").object()
            #expect((document["servers"] as? [[String: Any]])?.map { $0["url"] as? String } == ["/"])
        }
    }

    // This test failed without the escaping in HomeRoutes.
    @Test("the Host header cannot inject markup or commands into the home page")
    func markup() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_AUTH_MODE=keys"]) { daemon in
            let page = try daemon.connect().exchange("GET / HTTP/1.1\r\nHost: a;b&c'$(d)\r\nAccept: text/html\r\n\r\n")
            #expect(page.status == 200)
            #expect(page.body.contains("curl -N http://abcd/v1/jobs"), "\(page.body)")
        }
    }

    // This test failed when OriginPolicy compared only the Host header.
    @Test("accepts pages of the public URL without keys, and the request id of a trusted proxy")
    func origins() async throws {
        try await LocalDaemon.run(
            environment: [
                "LONGTAKE_HTTP_PUBLIC_URL=\(Self.url)", "LONGTAKE_HTTP_TRUSTED_PROXIES=127.0.0.1",
                "LONGTAKE_HTTP_ALLOWED_HOSTS=other.example.org",
            ]
        ) { daemon in
            func ask(_ fields: String...) throws -> Exchange {
                let lines = fields.map { $0 + "\r\n" }.joined()
                return try daemon.connect().exchange(
                    "GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\(lines)\r\n")
            }
            #expect(try ask("Origin: https://video.example.org").status == 200)
            #expect(try ask("Origin: https://evil.example.org").status == 403)
            #expect(try ask("Origin: https://other.example.org").status == 403)
            #expect(
                try ask("Origin: https://other.example.org", "X-Forwarded-Host: other.example.org").status == 200)
            #expect(try ask("X-Request-Id: req-1.a_B")["x-request-id"] == "req-1.a_B")
            let invalid = try ask("X-Request-Id: a b")
            #expect(invalid["x-request-id"] != "a b")
        }
        try await LocalDaemon.run { daemon in
            let untrusted = try daemon.get("/healthz", "X-Request-Id: req-1")
            #expect(untrusted["x-request-id"] != "req-1")
        }
    }
}
