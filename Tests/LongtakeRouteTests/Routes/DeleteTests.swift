import LongtakeDaemonDriver
import Testing

/// `DELETE /v1/jobs/{id}`.
@Suite struct DeleteTests {
    /// This test failed when the idempotency key stayed after the job was hidden.
    @Test("deletes a finished job with its event log and its key, and rejects the deletion of an active job")
    func delete() async throws {
        try await LocalDaemon.run("--speed", "10000", environment: ["LONGTAKE_QUEUES_GPU_WORKERS=0"]) { daemon in
            let body = #"{"input":{"prompt":"a boat"},"simulation":{"fail_stage":"moderate","fatal":true}}"#
            let created = try daemon.connect().exchange(RequestText.submission(body, key: "k"))
            let id = try created.text("id")
            #expect(try daemon.wholeLog(of: id).types.last == "job.failed")
            let later = try daemon.request("POST", "/v1/jobs/\(id)/retry").text("id")
            let active = try daemon.submit()
            let refused = try daemon.request("DELETE", "/v1/jobs/\(active)")
            #expect(refused.status == 409 && refused.body.contains("urn:longtake:problem:wrong-state"))
            #expect(try daemon.get("/v1/jobs/\(active)").status == 200)

            let answer = try daemon.request("DELETE", "/v1/jobs/\(id)")
            #expect(answer.status == 204 && answer.body.isEmpty)
            for (method, path) in [
                ("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/events"),
            ] {
                #expect(try daemon.request(method, "/v1/jobs/\(id)\(path)").status == 404, "\(method) \(path)")
            }
            for type in ["text/event-stream", "application/x-ndjson", "application/json"] {
                #expect(try daemon.get("/v1/jobs/\(id)/events", "Accept: \(type)").status == 404)
            }
            #expect(try !daemon.get("/v1/jobs").body.contains("\"id\":\"\(id)\""))
            #expect(try daemon.get("/v1/jobs/\(later)").text("retry_of") == id)
            let again = try daemon.connect().exchange(RequestText.submission(body, key: "k"))
            #expect(try again.status == 201 && again.text("id") != id, "the idempotency key can be used again")
        }
    }

    /// This test failed when the deletion was not recorded for the tenant.
    @Test("resets a feed cursor that may have missed events of a deleted job, and accepts a later cursor")
    func feed() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            let id = try daemon.submit()
            let live = try daemon.feed("?after=0")
            #expect(try live.next()?.event == "stream.hello")
            let first = try #require(try live.next()?.id)
            _ = try daemon.request("POST", "/v1/jobs/\(id)/cancel")
            let last = try #require(try live.next()?.id)
            #expect(try daemon.request("DELETE", "/v1/jobs/\(id)").status == 204)
            let next = try daemon.submit()
            #expect(try live.next()?.data?.contains(next) == true, "a live client continues")

            let behind = try daemon.feed("", "Last-Event-ID: \(first)")
            #expect(try behind.next()?.data?.contains(#""cursor":null"#) == true)
            #expect(try behind.next()?.data?.contains(#""reason":"pruned""#) == true)
            let along = try daemon.feed("", "Last-Event-ID: \(last)")
            #expect(try along.next()?.id == last)
            #expect(try along.next()?.data?.contains(next) == true)
        }
    }
}
