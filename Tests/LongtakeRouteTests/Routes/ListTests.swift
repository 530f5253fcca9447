import LongtakeDaemonDriver
import Testing

/// Lists, pipelines, health and readiness.
@Suite struct ListTests {
    @Test("lists jobs newest first, and pages are stable while jobs are added")
    func list() async throws {
        try await LocalDaemon.run("--speed", "0.1") { daemon in
            let ids = try (0..<5).map { _ in try daemon.submit() }
            let first = try daemon.get("/v1/jobs?limit=2").object()
            #expect(try Self.ids(first) == [ids[4], ids[3]])
            _ = try daemon.submit()
            let next = try #require(first["next"] as? String)
            let second = try daemon.get("/v1/jobs?limit=2&cursor=\(next)").object()
            #expect(try Self.ids(second) == [ids[2], ids[1]])
            let last = try daemon.get("/v1/jobs?limit=2&cursor=\(try #require(second["next"] as? String))").object()
            #expect(try Self.ids(last) == [ids[0]])
            #expect(last["next"] is JSON.Null)
            #expect((last["last_event_id"] as? String)?.wholeMatch(of: /[0-9a-f]{8}-g[0-9]+/) != nil)
            #expect(try Self.ids(daemon.get("/v1/jobs?state=succeeded").object()) == [])
            #expect(try Self.ids(daemon.get("/v1/jobs?pipeline=image-to-video").object()) == [])
            let jobs = try #require(first["jobs"] as? [Any])
            #expect(
                (jobs[0] as? [String: Any])?["queue_position"] == nil,
                "a list has no queue positions, because each would cost a query"
            )
        }
    }

    @Test("reports health, readiness and pipelines")
    func about() async throws {
        try await LocalDaemon.run { daemon in
            let health = try daemon.get("/healthz").object()
            #expect(health["status"] as? String == "ok")
            #expect(health["version"] is String)
            #expect(try daemon.get("/readyz").status == 200)
            let pipelines = try daemon.get("/v1/pipelines").object()
            #expect(pipelines["default"] as? String == "text-to-video")
            let names = try #require(pipelines["pipelines"] as? [Any]).compactMap {
                ($0 as? [String: Any])?["name"] as? String
            }
            #expect(names == ["demo-image-to-video", "demo-video", "image-to-video", "text-to-video"])
            let options = try daemon.request("OPTIONS", "/v1/jobs")
            #expect(options.status == 204)
            #expect(options["allow"] == "GET, HEAD, OPTIONS, POST")
        }
    }

    private static func ids(_ page: [String: Any]) throws -> [String] {
        try #require(page["jobs"] as? [Any]).compactMap { ($0 as? [String: Any])?["id"] as? String }
    }
}
