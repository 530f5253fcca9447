import LongtakeDaemonDriver
import Testing

/// `Idempotency-Key`: a repeated request has no further effect.
@Suite struct IdempotencyTests {
    @Test("one key creates one job; another body with the key is a conflict")
    func conflict() async throws {
        try await LocalDaemon.run("--speed", "1000") { daemon in
            func submit(_ prompt: String) throws -> Exchange {
                try daemon.post("/v1/jobs", #"{"input":{"prompt":"\#(prompt)"}}"#, "Idempotency-Key: k-1")
            }
            let first = try submit("a boat")
            #expect(first.status == 201)
            let again = try submit("a boat")
            #expect(again.status == 200)
            #expect(again["idempotent-replayed"] == "true")
            #expect(again["location"] == first["location"])
            #expect(try submit("a ship").status == 422)
        }
    }

    @Test("fifty concurrent submissions with one key create one job")
    func concurrent() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            let request = RequestText.submission(key: "k")
            let sockets = try (0..<50).map { _ in try daemon.connect() }
            for socket in sockets { try socket.send(request) }
            let answers = try sockets.map { try $0.readResponse() }
            for answer in answers {
                let isReplay = answer["idempotent-replayed"] == "true"
                #expect(answer.status == (isReplay ? 200 : 201), "\(answer.body)")
                #expect(try answer["location"] == "/v1/jobs/\(answer.text("id"))")
            }
            #expect(answers.count { $0.status == 201 } == 1)
            #expect(try Set(answers.map { try $0.text("id") }).count == 1)
            let listed = try #require(try daemon.get("/v1/jobs").object()["jobs"] as? [Any])
            #expect(listed.count == 1)
        }
    }

    // This test failed when the quotes were part of the key.
    @Test("a key with and without quotes is the same, for submissions and retries")
    func quoted() async throws {
        try await LocalDaemon.run { daemon in
            let bare = try daemon.connect().exchange(RequestText.submission(key: "order 1042"))
            #expect(bare.status == 201, "\(bare.body)")
            let quoted = try daemon.connect().exchange(RequestText.submission(key: "\"order 1042\""))
            #expect(quoted.status == 200 && quoted["idempotent-replayed"] == "true", "\(quoted.body)")
            #expect(try quoted.text("id") == bare.text("id"))
            #expect(try daemon.connect().exchange(RequestText.submission(key: "\"order")).status == 400)
            let id = try bare.text("id")
            #expect(try daemon.request("POST", "/v1/jobs/\(id)/cancel").status < 300)
            #expect(try daemon.get("/v1/jobs/\(id)", "Prefer: wait=20").text("state") == "canceled")
            let first = try daemon.request("POST", "/v1/jobs/\(id)/retry", "Idempotency-Key: again")
            let second = try daemon.request("POST", "/v1/jobs/\(id)/retry", "Idempotency-Key: \"again\"")
            #expect(first.status == 201 && second.status == 200)
            #expect(try first.text("id") == second.text("id"))
        }
    }
}
