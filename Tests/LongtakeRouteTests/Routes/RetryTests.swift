import LongtakeDaemonDriver
import Testing

/// `POST /v1/jobs/{id}/retry`.
@Suite struct RetryTests {
    private static let lost = #"""
        {"input":{"prompt":"a boat","fps":30},"priority":3,"metadata":{"order":"7"},
        "simulation":{"fail_stage":"moderate","fatal":true,"speed":10000}}
        """#

    @Test("retries a failed job as a new job with the same input, priority, metadata and simulation")
    func retry() async throws {
        try await LocalDaemon.run("--speed", "10000") { daemon in
            let old = try daemon.submit(Self.lost)
            #expect(try daemon.wholeLog(of: old).types.last == "job.failed")
            let answer = try daemon.request("POST", "/v1/jobs/\(old)/retry")
            #expect(answer.status == 201)
            let new = try answer.text("id")
            #expect(new != old && answer["location"] == "/v1/jobs/\(new)")
            #expect(try answer.text("retry_of") == old)
            let kept = [
                #""pipeline":"text-to-video""#, #""fps":30"#, #""prompt":"a boat""#, #""priority":3"#,
                #""metadata":{"order":"7"}"#, #""state":"queued""#,
            ]
            for text in kept { #expect(answer.body.contains(text), "\(answer.body)") }
            // The simulated fault is kept, so the new job fails in the same stage.
            #expect(try daemon.wholeLog(of: new).types.last == "job.failed")
            let again = try daemon.request("POST", "/v1/jobs/\(new)/retry")
            #expect(try again.status == 201 && again.text("retry_of") == new, "a failed retry can be retried too")

            let good = try daemon.submit()
            #expect(try daemon.wholeLog(of: good).types.last == "job.succeeded")
            let refused = try daemon.request("POST", "/v1/jobs/\(good)/retry")
            #expect(refused.status == 409 && refused.body.contains("urn:longtake:problem:wrong-state"))
            #expect(try daemon.request("POST", "/v1/jobs/job_\(String(repeating: "0", count: 26))/retry").status == 404)
            #expect(try daemon.request("GET", "/v1/jobs/\(old)/retry")["allow"] == "OPTIONS, POST")
            #expect(try daemon.request("POST", "/v1/jobs/\(old)/retry", "Accept: text/plain").status == 406)
        }
    }

    /// This test failed when the key was looked up only after the old job was found.
    @Test("a retry with a key happens once; the key is a conflict for other requests")
    func key() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            let old = try (0..<2).map { _ in try daemon.submit() }
            for id in old { _ = try daemon.request("POST", "/v1/jobs/\(id)/cancel") }
            let first = try daemon.request("POST", "/v1/jobs/\(old[0])/retry", "Idempotency-Key: k")
            #expect(first.status == 201 && first["idempotent-replayed"] == nil)
            let again = try daemon.request("POST", "/v1/jobs/\(old[0])/retry", "Idempotency-Key: k")
            #expect(again.status == 200 && again["idempotent-replayed"] == "true")
            #expect(try again.text("id") == first.text("id") && again["location"] == first["location"])
            let other = try daemon.request("POST", "/v1/jobs/\(old[1])/retry", "Idempotency-Key: k")
            #expect(other.status == 422 && other.body.contains("idempotency-conflict"))
            let plain = try daemon.connect().exchange(RequestText.submission(key: "k"))
            #expect(plain.status == 422 && plain.body.contains("idempotency-conflict"))
            #expect(try daemon.request("POST", "/v1/jobs/\(old[0])/retry", "Idempotency-Key: \"a").status == 400)

            // A repeated request gets the same response, even if the old job was deleted.
            #expect(try daemon.request("DELETE", "/v1/jobs/\(old[0])").status == 204)
            let late = try daemon.request("POST", "/v1/jobs/\(old[0])/retry", "Idempotency-Key: k")
            #expect(try late.status == 200 && late.text("id") == first.text("id"))
            #expect(try late.text("retry_of") == old[0])
            #expect(try daemon.request("POST", "/v1/jobs/\(old[0])/retry", "Idempotency-Key: l").status == 404)
        }
    }

    /// This test failed when a submission did not check the count.
    @Test("returns 429 beyond the limit of queued jobs of a tenant, but answers a known key")
    func queueLimit() async throws {
        try await LocalDaemon.run(
            environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0", "LONGTAKE_LIMITS_QUEUED_JOBS_PER_TENANT=3"]
        ) { daemon in
            let first = try daemon.connect().exchange(RequestText.submission(key: "k"))
            let rest = try (0..<2).map { _ in try daemon.submit() }
            let refused = try daemon.connect().exchange(RequestText.submission())
            #expect(refused.status == 429 && refused["retry-after"] == "10", "\(refused.body)")
            #expect(refused.body.contains("urn:longtake:problem:too-many-queued"))
            let known = try daemon.connect().exchange(RequestText.submission(key: "k"))
            #expect(try known.status == 200 && known.text("id") == first.text("id"))
            _ = try daemon.request("POST", "/v1/jobs/\(rest[0])/cancel")
            let retry = try daemon.request("POST", "/v1/jobs/\(rest[0])/retry")
            #expect(retry.status == 201, "after a cancel, one more job is accepted")
            #expect(try daemon.request("POST", "/v1/jobs/\(rest[0])/retry").status == 429)
            let listed = try #require(try daemon.get("/v1/jobs?state=queued").object()["jobs"] as? [Any])
            #expect(listed.count == 3, "nothing was accepted beyond the limit")
        }
    }
}
