import GRDB
import LongtakeDaemonDriver
import Testing

/// The jobs of several tenants wait on one queue.
@Suite struct ClaimFairnessTests {
    // This test failed when claims were ordered by job alone.
    @Test("hundreds of queued jobs of one tenant delay another tenant's job by at most one claim")
    func fairness() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(
                "--speed", "300", environment: ["LONGTAKE_AUTH_MODE=keys", "LONGTAKE_QUEUES_CPU_WORKERS=1"])
            let many = try daemon.makeClient(tenant: "many")
            let one = try daemon.makeClient(tenant: "one")
            let socket = try daemon.connect()
            let request = many.text("POST", "/v1/jobs", body: #"{"input":{"prompt":"a"}}"#)
            for _ in 0..<300 { #expect(try socket.exchange(request).status == 201) }
            let job = try one.submit()
            let stream = try one.stream("/v1/jobs/\(job)/events")
            while let block = try stream.next(), block.event != "job.started" {}
            #expect(daemon.stop() == 0)
            let database = try DatabaseQueue(path: daemon.directory + "/data/longtake.db")
            let between = try database.read { db in
                try Int.fetchOne(
                    db,
                    sql: """
                        SELECT count(*) FROM event JOIN job ON job.key = event.job
                        WHERE tenant = 'many' AND type = 'job.started'
                            AND position > (SELECT position FROM event JOIN job ON job.key = event.job WHERE job.id = ?1 AND seq = 1)
                            AND position < (SELECT position FROM event JOIN job ON job.key = event.job WHERE job.id = ?1 AND type = 'job.started')
                        """, arguments: [job])
            }
            #expect(try #require(between) <= 1)
        }
    }
}
