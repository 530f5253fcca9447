import LongtakeDaemonDriver
import Testing

/// `ETag` and `If-None-Match` of a job.
@Suite struct JobTagTests {
    /// This test failed when the tag never changed.
    @Test("returns 304 without a body for the current tag, and the job for an older tag")
    func conditional() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            let created = try daemon.connect().exchange(RequestText.submission())
            let id = try #require(created.object()["id"] as? String)
            let tag = try #require(created["etag"])
            let job = try daemon.get("/v1/jobs/\(id)")
            #expect(job["etag"] == tag)
            #expect(tag == "W/\"\(try #require(job.object()["last_event_id"] as? String))\"")
            #expect(job["cache-control"] == "no-store")

            for known in [tag, String(tag.dropFirst(2)), "\"other\", \(tag)", "*"] {
                let socket = try daemon.connect()
                let request = "GET /v1/jobs/\(id) HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: \(known)\r\n\r\n"
                let same = try socket.exchange(request)
                #expect(same.status == 304, "\(known)")
                #expect(same["etag"] == tag)
                #expect(same["cache-control"] == "no-store")
                #expect(same["content-length"] == nil && same["transfer-encoding"] == nil)
                #expect(try socket.exchange(request).status == 304, "a 304 has no body")
                let head = try socket.exchange(request.replacing("GET", with: "HEAD"), isHead: true)
                #expect(head.status == 304)
            }
            for known in ["", "W/\"other\"", "W/\"00000000-1\""] {
                #expect(try daemon.get("/v1/jobs/\(id)", "If-None-Match: \(known)").status == 200, "\(known)")
            }
            #expect(try daemon.get("/v1/jobs/\(id)", "If-None-Match: 00000000-1").status == 400, "no quotes")
            let unknown = "/v1/jobs/job_" + String(repeating: "0", count: 26)
            #expect(try daemon.get(unknown, "If-None-Match: *").status == 404)

            _ = try daemon.post("/v1/jobs/\(id)/cancel")
            let changed = try daemon.get("/v1/jobs/\(id)", "If-None-Match: \(tag)")
            #expect(changed.status == 200)
            #expect(changed["etag"] != tag)
            #expect(try changed.object()["state"] as? String == "canceled")
        }
    }
}
