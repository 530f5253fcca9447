import LongtakeDaemonDriver
import Testing

/// `Idempotency-Key`: sent again is not done again.
@Suite(.serialized) struct IdempotencyTests {
    /// Fails where a submission does not look for its key in its own transaction.
    @Test("fifty submissions with one key at once make one job, and so do those after a kill")
    func concurrent() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"])
            let request = DaemonProcess.submission(key: "k")
            var ids: Set<String> = []
            for life in 1...2 {
                let sockets = try (0..<50).map { _ in try daemon.connect() }
                for socket in sockets { try socket.send(request) }
                let answers = try sockets.map { try $0.readResponse() }
                for answer in answers {
                    ids.insert(try answer.text("id"))
                    let isReplay = answer["idempotent-replayed"] == "true"
                    #expect(answer.status == (isReplay ? 200 : 201), "\(answer.body)")
                    #expect(try answer["location"] == "/v1/jobs/\(answer.text("id"))")
                }
                #expect(answers.count { $0.status == 201 } == (life == 1 ? 1 : 0))
                daemon.kill()
                try daemon.start()
            }
            #expect(ids.count == 1)
            let listed = try #require(try daemon.get("/v1/jobs").object()["jobs"] as? [Any])
            #expect(listed.count == 1)
        }
    }
}
