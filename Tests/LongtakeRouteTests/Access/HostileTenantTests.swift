import LongtakeDaemonDriver
import Testing

/// Sends the list of hostile inputs as a tenant with its own key, to a daemon that stores a job of
/// another tenant.
@Suite struct HostileTenantTests {
    // This test failed when routes read the data of the other tenant.
    @Test("no input of one tenant reveals or changes another tenant's data", arguments: HostileGroup.all)
    func group(_ group: HostileGroup) async throws {
        // A half-closed stream continues, so each one ends by its maximum age.
        let keyed = ["LONGTAKE_AUTH_MODE=keys", "LONGTAKE_STREAM_MAX_AGE_SECONDS=1"]
        let idle = ["CPU", "GPU", "IO"].map { "LONGTAKE_QUEUES_\($0)_WORKERS=0" }
        try await LocalDaemon.run(environment: keyed + idle) { daemon in
            let owner = try daemon.makeClient(tenant: "owner")
            let foreign = try daemon.makeClient(tenant: "foreign")
            let body = #"{"input":{"prompt":"canary"}}"#
            let job = try owner.submit(body, "Idempotency-Key: k")
            for input in group.inputs {
                let socket = try daemon.connect()
                // The daemon may close the connection before it has read the whole input.
                try? socket.send(Self.signed(input.bytes, foreign.fields[0]))
                socket.finishSending()
                let answer = String(decoding: (try? socket.readToEnd()) ?? [], as: UTF8.self)
                #expect(!answer.contains("canary") && !answer.contains(job), "\(input.name)")
                #expect(!answer.contains(" 500 "), "\(input.name)")
            }
            let untouched = try owner.get("/v1/jobs/\(job)").object()
            #expect(untouched["state"] as? String == "queued" && untouched["cancel_requested"] as? Bool == false)
            #expect(try owner.get("/v1/jobs").object()["jobs"].map { "\($0)".contains(job) } == true)
            #expect(!daemon.log.contains("request failed"))
        }
    }

    /// Adds the key to each request that contains a `Host` header.
    private static func signed(_ bytes: [UInt8], _ field: String) -> [UInt8] {
        let mark = Array("Host: localhost\r\n".utf8)
        var (signed, start) = ([UInt8](), 0)
        while let end = bytes.end(of: mark, from: start) {
            signed += bytes[start..<end] + Array("\(field)\r\n".utf8)
            start = end
        }
        return signed + bytes[start...]
    }
}
