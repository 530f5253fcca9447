import LongtakeDaemonDriver
import Testing

/// The members of a submission and their limits.
@Suite struct SubmissionTests {
    @Test("a job contains the submitted values and the defaults")
    func shown() async throws {
        try await LocalDaemon.run(
            environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0", "LONGTAKE_QUEUES_IO_WORKERS=0"]
        ) { daemon in
            let least = try daemon.post("/v1/jobs", #"{"input":{"prompt":"a boat"}}"#).object()
            #expect(least["pipeline"] as? String == "text-to-video")
            #expect(least["priority"] as? Double == 0)
            #expect((least["metadata"] as? [String: Any])?.isEmpty == true)
            let input = try #require(least["input"] as? [String: Any])
            #expect(input["prompt"] as? String == "a boat" && input["resolution"] as? String == "1280x720")
            #expect(input["fps"] as? Double == 24 && input["duration_seconds"] as? Double == 8)

            let most = try daemon.post(
                "/v1/jobs",
                #"{"pipeline":"image-to-video","input":{"image_url":"x","fps":30},"priority":-9,"metadata":{"order":"1042"},"simulation":{"speed":10}}"#
            )
            #expect(most.status == 201)
            let id = try #require(try most.object()["id"] as? String)
            let job = try daemon.get("/v1/jobs/\(id)").object()
            #expect(job["pipeline"] as? String == "image-to-video" && job["priority"] as? Double == -9)
            #expect((job["metadata"] as? [String: Any])?["order"] as? String == "1042")
            #expect((job["input"] as? [String: Any])?["fps"] as? Double == 30)
            let links = try #require(job["links"] as? [String: Any])
            #expect(
                links["self"] as? String == "/v1/jobs/\(id)"
                    && links["events"] as? String == "/v1/jobs/\(id)/events")
            #expect(links["cancel"] as? String == "/v1/jobs/\(id)/cancel")
        }
    }

    @Test("accepts each limit and rejects values beyond it")
    func bounds() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            func body(_ more: String = "") -> String { #"{"input":{"prompt":"a"}\#(more)}"# }
            func metadata(_ count: Int) -> String {
                #","metadata":{"# + (0..<count).map { #""k\#($0)":"v""# }.joined(separator: ",") + "}"
            }
            func padded(_ count: Int) -> String { body() + String(repeating: " ", count: count - body().utf8.count) }
            let prompt = { (count: Int) in #"{"input":{"prompt":"\#(String(repeating: "é", count: count))"}}"# }
            let key = { (count: Int) in "Idempotency-Key: " + String(repeating: "~", count: count) }
            let wide = { (count: Int) in "X-Wide: " + String(repeating: "a", count: count) }
            let cases: [(String, String, [String], Int)] = [
                ("a body of 64 KiB", padded(65_536), [], 201), ("one byte more", padded(65_537), [], 413),
                ("priority 9", body(#","priority":9"#), [], 201), ("priority 10", body(#","priority":10"#), [], 422),
                ("priority -10", body(#","priority":-10"#), [], 422), ("half", body(#","priority":0.5"#), [], 422),
                ("16 entries", body(metadata(16)), [], 201), ("17 entries", body(metadata(17)), [], 422),
                ("4000 characters", prompt(4_000), [], 201), ("4001 characters", prompt(4_001), [], 422),
                ("no character", prompt(0), [], 422),
                ("a key of 255", body(), [key(255)], 201), ("a key of 256", body(), [key(256)], 400),
                ("a key with a space", body(), ["Idempotency-Key: a b"], 201),
                ("headers of 16 KB", body(), [wide(16_000)], 201), ("headers of 17 KB", body(), [wide(17_000)], 431),
            ]
            for (name, body, fields, status) in cases {
                let answer = try daemon.exchange("POST", "/v1/jobs", fields, body: body)
                #expect(answer.status == status, "\(name): \(answer.body.prefix(200))")
                #expect((answer["location"] != nil) == (status == 201), "\(name)")
            }
            let jobs = try #require(try daemon.get("/v1/jobs?limit=200").object()["jobs"] as? [Any])
            #expect(jobs.count == cases.count { $0.3 == 201 })
            let id = try daemon.submit()
            #expect(try daemon.get("/v1/jobs/\(id)/events?limit=1000", "Accept: application/json").status == 200)
            #expect(try daemon.get("/v1/jobs/\(id)/events?wait=50", "Accept: application/json").status == 200)
        }
    }
}
