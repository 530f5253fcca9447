import LongtakeDaemonDriver
import Testing

/// The hostile list again, from a tenant with a key of its own, on a daemon that keeps something for another.
@Suite(.serialized) struct HostileTenantTests {
    // Seen to fail with routes that read as the other tenant.
    @Test("nothing that one tenant sends shows what is another's, or touches it", arguments: HostileGroup.all)
    func group(_ group: HostileGroup) async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(
                // A stream goes on for whoever ends only his own side, so each ends by its age.
                environment: ["LONGTAKE_AUTH_MODE=keys", "LONGTAKE_STREAM_MAX_AGE_SECONDS=1"]
                    + ["CPU", "GPU", "IO"].map { "LONGTAKE_QUEUES_\($0)_WORKERS=0" })
            let owner = try Visitor.make(daemon, tenant: "owner").visitor
            let stranger = try Visitor.make(daemon, tenant: "stranger").visitor
            let body = #"{"input":{"prompt":"canary"}}"#
            let job = try owner.submit(body, "Idempotency-Key: k")
            for input in group.inputs {
                let socket = try daemon.connect()
                // What is cut early may not be taken whole.
                try? socket.send(Self.signed(input.bytes, stranger.fields[0]))
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

    /// With the key in each of the requests that are well enough formed to have a `Host`.
    private static func signed(_ bytes: [UInt8], _ field: String) -> [UInt8] {
        let mark = Array("Host: localhost\r\n".utf8)
        var (signed, index) = ([UInt8](), 0)
        while index < bytes.count {
            if bytes[index...].starts(with: mark) {
                signed += mark + Array("\(field)\r\n".utf8)
                index += mark.count
            } else {
                signed.append(bytes[index])
                index += 1
            }
        }
        return signed
    }
}
