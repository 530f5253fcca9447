import LongtakeDaemonDriver
import Testing

/// Several tenants read from one daemon.
@Suite("reads of two tenants", .tags(.slow)) struct ReadFairnessTests {
    private static let lists = 60
    private static let jobs = 100

    // This test failed with one queue for all reads: 197 of 200 lists were answered before the job.
    @Test("answers one tenant's job before most lists that another tenant requested earlier")
    func lists() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(
                environment: ["LONGTAKE_AUTH_MODE=keys", "LONGTAKE_QUEUES_CPU_WORKERS=0"])
            let many = try daemon.makeClient(tenant: "many")
            let one = try daemon.makeClient(tenant: "one")
            for _ in 0..<Self.jobs { _ = try many.submit() }
            let job = try one.submit()
            let sockets = try (0..<Self.lists).map { _ in try daemon.connect() }
            let socket = try daemon.connect()
            for list in sockets { try list.send(many.text("GET", "/v1/jobs?limit=\(Self.jobs)")) }
            let answer = try socket.exchange(one.text("GET", "/v1/jobs/\(job)"), within: 60)
            let before = sockets.count { $0.hasBytes }
            #expect(answer.status == 200)
            #expect(before < Self.lists * 2 / 3, "\(before) of \(Self.lists) lists were answered before the job")
            // All lists are answered in the end.
            for list in sockets { #expect(try list.readResponse(within: 60).status == 200) }
            #expect(daemon.stop() == 0)
        }
    }
}
