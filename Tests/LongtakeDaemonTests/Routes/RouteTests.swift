import LongtakeDaemonDriver
import Testing

/// Calls each route of a real daemon once. LongtakeRouteTests has the tests of what a route does.
@Suite struct RouteTests {
    // This test fails if a route is in the OpenAPI document and not here.
    @Test("every route of the OpenAPI document responds in a real daemon")
    func all() async throws {
        try await onOwnThread {
            let visit = try Visit()
            let document = try visit.call("GET /openapi.json").object()
            try visit.jobs()
            try visit.queues()
            try visit.backups()
            try visit.files()
            try visit.others()
            let paths = try #require(document["paths"] as? [String: Any])
            let documented = paths.flatMap { path, item in
                (item as? [String: Any] ?? [:]).keys.map { "\($0.uppercased()) \(path)" }
            }
            #expect(visit.called == Set(documented))
        }
    }
}

/// One daemon, and the routes that were called.
private final class Visit {
    private let daemon: DaemonProcess
    private(set) var called: Set<String> = []

    init() throws { daemon = try DaemonProcess("--speed", "1000") }

    /// Calls a route and checks the status of the response.
    /// - Parameters:
    ///   - route: the method and the path as in the OpenAPI document.
    ///   - path: the path of the request; `nil` for that of the route.
    @discardableResult
    func call(
        _ route: String, _ path: String? = nil, body: String? = nil, returns status: Int = 200
    ) throws -> Exchange {
        called.insert(route)
        let parts = route.split(separator: " ").map(String.init)
        let answer = try daemon.exchange(parts[0], path ?? parts[1], body: body)
        #expect(answer.status == status, "\(route): \(answer.body)")
        return answer
    }

    func jobs() throws {
        let job = try call("POST /v1/jobs", body: RequestText.boat, returns: 201).text("id")
        let events = try call("GET /v1/jobs/{id}/events", "/v1/jobs/\(job)/events")
        #expect(events.body.contains("event: job.succeeded\n"))
        // The feed has no end.
        called.insert("GET /v1/events")
        let feed = try daemon.feed("?after=0")
        #expect(try feed.next()?.event == "stream.hello")
        #expect(try feed.next()?.data?.contains(job) == true)
        #expect(try call("GET /v1/jobs").body.contains(job))
        #expect(try call("GET /v1/jobs/{id}", "/v1/jobs/\(job)").text("state") == "succeeded")
        try call("POST /v1/tickets", body: #"{"jobs":["\#(job)"]}"#, returns: 201)
        #expect(
            try call("GET /v1/jobs/{id}/artifacts", "/v1/jobs/\(job)/artifacts").body == "{\"artifacts\":[]}\n")
        try call("GET /v1/jobs/{id}/artifacts/{name}", "/v1/jobs/\(job)/artifacts/a.png", returns: 404)
        try call("GET /v1/jobs/{id}/log", "/v1/jobs/\(job)/log?stage=moderate")
        try call("DELETE /v1/jobs/{id}", "/v1/jobs/\(job)", returns: 204)
    }

    func queues() throws {
        #expect(try call("POST /v1/queues/{name}/pause", "/v1/queues/cpu/pause").body.contains(#""paused":true"#))
        let job = try daemon.submit()
        #expect(try call("POST /v1/jobs/{id}/cancel", "/v1/jobs/\(job)/cancel").text("state") == "canceled")
        let again = try call("POST /v1/jobs/{id}/retry", "/v1/jobs/\(job)/retry", returns: 201).text("id")
        #expect(try call("GET /v1/queues").body.contains(#"{"name":"cpu","paused":true,"running":0,"waiting":1,"#))
        #expect(try call("POST /v1/queues/{name}/resume", "/v1/queues/cpu/resume").body.contains(#""paused":false"#))
        #expect(try daemon.wholeLog(of: again).types.last == "job.succeeded")
    }

    func backups() throws {
        let id = try call("POST /v1/backups", returns: 202).text("id")
        #expect(try call("GET /v1/backups").body.contains(id))
        #expect(try call("GET /v1/backups/{id}", "/v1/backups/\(id)").text("id") == id)
    }

    func files() throws {
        let id = try call("POST /v1/files", body: "hello", returns: 201).text("id")
        #expect(try call("GET /v1/files").body.contains(id))
        #expect(try call("GET /v1/files/{id}", "/v1/files/\(id)").text("id") == id)
        #expect(try call("GET /v1/files/{id}/content", "/v1/files/\(id)/content").body == "hello")
        try call("DELETE /v1/files/{id}", "/v1/files/\(id)", returns: 204)
    }

    func others() throws {
        try call("GET /v1/pipelines")
        try call("GET /v1/diagnostics/stream", "/v1/diagnostics/stream?events=1&interval_ms=10")
        try call("GET /healthz")
        try call("GET /readyz")
        try call("GET /")
        let metrics = try Exposition(try call("GET /metrics").body)
        #expect(try #require(metrics["longtake_commits_total"]) > 0)
        #expect(try #require(metrics["process_start_time_seconds"]) > 1_700_000_000)
        #expect(try #require(metrics["process_resident_memory_bytes"]) > 1_000_000)
    }
}
