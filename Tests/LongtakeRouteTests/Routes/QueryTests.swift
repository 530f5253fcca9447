import LongtakeDaemonDriver
import Testing

/// Query parameters.
@Suite struct QueryTests {
    private static let job = "job_" + String(repeating: "0", count: 26)

    /// This test failed without the check in RouteTable: a misspelled filter returned everything.
    @Test("rejects an unknown parameter and names the known ones")
    func unknown() async throws {
        try await LocalDaemon.run { daemon in
            let known = [
                "/v1/jobs": "cursor, limit, pipeline, state",
                "/v1/events": "after, format, heartbeat, heartbeat_seconds, job, lastEventId, last_event_id, pipeline, "
                    + "ticket, type",
                "/v1/jobs/\(Self.job)/events":
                    "after, estimate, format, heartbeat, heartbeat_seconds, lastEventId, last_event_id, limit, ticket, "
                    + "wait",
                "/v1/jobs/\(Self.job)": "ticket", "/v1/pipelines": "", "/v1/backups": "",
            ]
            for (path, names) in known {
                let refused = try daemon.get("\(path)?stat=failed")
                #expect(refused.status == 400, "\(path)")
                #expect(refused["content-type"] == "application/problem+json", "\(path)")
                let problem = try refused.object()
                #expect(problem["type"] as? String == "urn:longtake:problem:bad-query", "\(path)")
                let detail = problem["detail"] as? String
                #expect(
                    detail == "“stat” is unknown here; "
                        + (names.isEmpty ? "this address takes no query." : "known are \(names)."),
                    "\(path)")
            }
            for (path, status) in [("/v1/jobs?x=1", 400), ("/v1/jobs/\(Self.job)/cancel?x=1", 400)] {
                #expect(try daemon.post(path, #"{"input":{"prompt":"a"}}"#).status == status, "\(path)")
            }
            #expect(try daemon.get("/v1/jobs").object()["jobs"] as? [String] == [])
            // Operators of probes may add parameters.
            for path in ["/healthz?probe=1", "/readyz?a&a"] { #expect(try daemon.get(path).status == 200, "\(path)") }
        }
    }

    @Test("rejects repeated parameters and empty values, except an empty cursor")
    func repeated() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            let id = try daemon.submit()
            for query in [
                "state=queued&state=running", "limit=1&limit=1", "pipeline=a&pipeline=b", "cursor=c1&cursor=c1",
                "state=", "limit=", "pipeline=", "state", "limit=+1", "limit=0", "limit=201", "limit=1.0",
                "state=QUEUED",
                "cursor=1", "cursor=c0", "cursor=c01", "state=%zz",
            ] {
                #expect(try daemon.get("/v1/jobs?\(query)").status == 400, "\(query)")
            }
            for query in ["", "&", "cursor=", "&&limit=1&", "state=queued", "state=%71ueued", "pipeline=text-to-video"]
            {
                let page = try daemon.get("/v1/jobs?\(query)")
                try #require(page.status == 200, "\(query)")
                #expect(try page.object()["jobs"] as? [String] == nil, "the list contains one job")
                #expect(page.body.contains(id), "\(query)")
            }
            for query in ["after=1&after=1", "last_event_id=1&last_event_id=2", "format=message&format=message"] {
                #expect(try daemon.get("/v1/jobs/\(id)/events?\(query)").status == 400, "\(query)")
                #expect(try daemon.get("/v1/events?\(query)").status == 400, "\(query)")
            }
            let reader = try daemon.follow(id, "?after=&last_event_id=")
            #expect(
                try reader.next()?.id?.hasSuffix("-0") == true, "without a cursor the stream begins at the first event")
        }
    }

    @Test("combines filters, and pages are stable and newest first while jobs are added and change")
    func filters() async throws {
        try await LocalDaemon.run(
            environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0", "LONGTAKE_QUEUES_IO_WORKERS=0"]
        ) { daemon in
            let image = #"{"pipeline":"image-to-video","input":{"image_url":"https://example.org/boat.png"}}"#
            var jobs: [(id: String, pipeline: String, isCanceled: Bool)] = []
            for number in 0..<12 {
                let isImage = number % 3 == 0
                let id = try isImage ? daemon.submit(image) : daemon.submit()
                let isCanceled = number % 2 == 0
                if isCanceled { #expect(try daemon.post("/v1/jobs/\(id)/cancel").status == 200) }
                jobs.append((id, isImage ? "image-to-video" : "text-to-video", isCanceled))
            }
            func wanted(_ pipeline: String?, _ state: String?) -> [String] {
                jobs.reversed().filter { job in
                    (pipeline == nil || job.pipeline == pipeline)
                        && (state == nil || (state == "canceled" && job.isCanceled)
                            || (state == "queued" && !job.isCanceled))
                }.map(\.id)
            }
            for pipeline in [nil, "text-to-video", "image-to-video", "no-such-pipeline"] {
                for state in [nil, "queued", "canceled", "failed"] {
                    let filter = (pipeline.map { "&pipeline=\($0)" } ?? "") + (state.map { "&state=\($0)" } ?? "")
                    let expected = wanted(pipeline, state)
                    var (seen, cursor): ([String], String) = ([], "")
                    while true {
                        let page = try daemon.get("/v1/jobs?limit=2\(filter)&cursor=\(cursor)").object()
                        seen += try #require(page["jobs"] as? [Any]).compactMap {
                            ($0 as? [String: Any])?["id"] as? String
                        }
                        // New jobs appear before the first page.
                        jobs.append((try daemon.submit(), "text-to-video", false))
                        guard let next = page["next"] as? String else { break }
                        cursor = next
                    }
                    #expect(seen == expected, "\(filter)")
                }
            }
        }
    }
}
