import LongtakeDaemonDriver
import Testing

/// The time left of a job, in a real daemon with a database.
@Suite struct EstimateTests {
    @Test(
        "after twelve jobs the next ones have a time left, in JSON and in streams that ask for it, also after a restart"
    )
    func timeLeft() async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            try Self.learn(in: directory)
            // At speed 1 the next job takes minutes, so it runs until the end of the test.
            let daemon = try DaemonProcess(directory: directory)
            let id = try Self.submit(to: daemon)
            let path = "/v1/jobs/\(id)"
            try Self.check(try daemon.get(path).object())
            #expect(try !daemon.get("/v1/jobs").body.contains("eta_seconds"))

            let reader = try daemon.follow(id, "?estimate=1")
            let shown = try Self.nextEstimate(reader)
            #expect(shown["job"] as? String == id)
            try Self.check(shown)

            #expect(try daemon.post("/v1/queues/gpu/pause").status == 200)
            try Self.checkNull(try daemon.get(path).object())
            try Self.checkNull(try Self.nextEstimate(reader))
            #expect(try daemon.post("/v1/queues/gpu/resume").status == 200)
            try Self.check(try daemon.get(path).object())
            #expect(try daemon.post("\(path)/cancel").status == 202)
            try Self.checkNull(try daemon.get(path).object())
            #expect(daemon.stop() == 0)
        }
    }

    /// Runs twelve jobs at a high speed, and one more.
    private static func learn(in directory: String) throws {
        let daemon = try DaemonProcess("--speed", "400", directory: directory)
        let first = try daemon.post("/v1/jobs", RequestText.boat)
        try checkNull(try first.object())
        let jobs = try [first.text("id")] + (2...12).map { _ in try daemon.submit() }
        for job in jobs { #expect(try daemon.wholeLog(of: job).types.last == "job.succeeded") }
        let next = try daemon.follow(try submit(to: daemon)).rest()
        #expect(next.last?.event == "job.succeeded")
        #expect(!next.contains { $0.event == "job.estimate" }, "only streams with the parameter have it")
        #expect(daemon.stop() == 0)
    }

    /// Submits a job, whose response must contain the time left.
    private static func submit(to daemon: DaemonProcess) throws -> String {
        let created = try daemon.post("/v1/jobs", RequestText.boat)
        #expect(created.status == 201)
        try check(try created.object())
        return try created.text("id")
    }

    private static func nextEstimate(_ reader: EventReader) throws -> [String: Any] {
        while let block = try reader.next() {
            guard block.event == "job.estimate" else { continue }
            #expect(block.id == nil, "it is no cursor")
            return try JSON.object(try #require(block.data))
        }
        throw NoEstimate()
    }

    /// The stream ended before the event.
    private struct NoEstimate: Error {}

    private static func check(_ members: [String: Any]) throws {
        let eta = try percentiles("eta_seconds", members)
        #expect(eta.p50 > 0 && eta.p90 >= eta.p50, "\(eta)")
        let wait = try percentiles("queue_wait_seconds", members)
        #expect(wait.p50 >= 0 && wait.p90 >= wait.p50, "\(wait)")
    }

    private static func percentiles(_ name: String, _ members: [String: Any]) throws -> (p50: Double, p90: Double) {
        let member = try #require(members[name] as? [String: Any], "\(members)")
        return (try #require(member["p50"] as? Double), try #require(member["p90"] as? Double))
    }

    private static func checkNull(_ members: [String: Any]) throws {
        for name in ["eta_seconds", "queue_wait_seconds"] { #expect(members[name] is JSON.Null, "\(members)") }
    }
}
