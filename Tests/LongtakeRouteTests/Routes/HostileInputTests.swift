import LongtakeDaemonDriver
import Testing

/// Sends invalid and malicious input to a daemon. It checks the status, that each request gets one
/// response, and that the daemon continues.
///
/// Before the bugs were fixed, more than 40 of the inputs failed. The groups describe the bugs.
@Suite struct HostileInputTests {
    @Test("each input gets the expected responses, jobs and end of the connection", arguments: HostileGroup.all)
    func group(_ group: HostileGroup) async throws {
        // No job runs, so the position of the feed is the number of submitted jobs.
        let idle = ["CPU", "GPU", "IO"].map { "LONGTAKE_QUEUES_\($0)_WORKERS=0" }
        try await LocalDaemon.run(environment: idle) { daemon in
            let observer = try daemon.connect()
            var submissions = 0
            for input in group.inputs {
                do {
                    try Self.check(input, on: daemon.connect())
                } catch {
                    Issue.record("\(input.name): \(error)")
                }
                // This request also shows that the daemon continues to serve.
                let before = submissions
                submissions = try daemon.submissions(on: observer)
                #expect(submissions - before == input.submissions, "\(input.name)")
            }
            #expect(!daemon.log.contains("request failed"), "no input causes an internal error")
        }
    }

    @Test("the list has the documented length")
    func length() { #expect(HostileGroup.all.reduce(0) { $0 + $1.inputs.count } >= 500) }

    private static func check(_ input: HostileInput, on socket: Socket) throws {
        // The daemon may close the connection before it has read the whole input.
        try? socket.send(input.bytes)
        for status in input.answers {
            // 100 Continue consists of a head only.
            guard status != 100 else {
                #expect(try socket.readHead().status == 100, "\(input.name)")
                continue
            }
            let answer = try socket.readResponse(isHead: input.isHead)
            #expect(answer.status == status, "\(input.name): \(answer.body)")
            if status >= 400, !input.isHead { try checkProblem(answer, input) }
        }
        if input.isKept {
            let next = try socket.exchange("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(next.status == 200, "\(input.name): the daemon answers the next request on the connection")
        }
        if input.isKept || input.answers.isEmpty { socket.finishSending() }
        let rest = try socket.readToEnd()
        #expect(rest.isEmpty, "\(input.name): \(String(decoding: rest.prefix(200), as: UTF8.self))")
    }

    private static func checkProblem(_ answer: Exchange, _ input: HostileInput) throws {
        #expect(answer["content-type"] == "application/problem+json", "\(input.name)")
        let problem = try answer.object()
        #expect(problem["status"] as? Double == Double(answer.status), "\(input.name)")
        #expect((problem["type"] as? String)?.hasPrefix("urn:longtake:problem:") == true, "\(input.name)")
        #expect(problem["title"] is String, "\(input.name)")
        #expect(answer.status != 405 || answer["allow"] != nil, "\(input.name)")
    }
}
