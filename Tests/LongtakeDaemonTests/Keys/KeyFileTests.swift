import FoundationEssentials
import LongtakeDaemonDriver
import Testing

/// The key file, and changes of it while the daemon runs.
@Suite(.serialized) struct KeyFileTests {
    // This test failed when every error of the existence check counted as a missing file.
    @Test(
        "startup fails if a key file exists, or may exist, and cannot be read",
        arguments: ["dangling", "file/keys"])
    func unreachable(name: String) async throws {
        try await onOwnThread {
            let scratch = try DaemonProcess()
            #expect(scratch.stop() == 0)
            try FileManager.default.createSymbolicLink(
                atPath: scratch.directory + "/dangling", withDestinationPath: scratch.directory + "/nowhere")
            try Data().write(to: URL(filePath: scratch.directory + "/file"))
            let (status, output) = try DaemonProcess.run(
                ["serve", "--data", scratch.directory + "/data", "--port", "0"],
                environment: ["LONGTAKE_AUTH_MODE=keys", "LONGTAKE_AUTH_KEYS_FILE=\(scratch.directory)/\(name)"])
            #expect(status == 1 && output.contains("cannot read the keys"), "\(output)")
        }
    }

    // This test failed without `endStreams` in `keysChanged`, and when the key ring kept revoked
    // keys.
    @Test(
        "after SIGHUP a revoked key is rejected and its streams end; an invalid key file changes nothing"
    )
    func revocation() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(
                environment: ["LONGTAKE_AUTH_MODE=keys", "LONGTAKE_QUEUES_CPU_WORKERS=0"])
            #expect(daemon.log.contains("there is no API key yet"))
            let client = try daemon.makeClient(tenant: "acme")
            let id = try #require(client.keyID)
            let other = try daemon.makeClient(tenant: "acme")
            let job = try client.submit()
            let ticket = try client.ticket([job])
            let stream = try client.stream("/v1/jobs/\(job)/events")
            let ticketStream = try daemon.stream("/v1/jobs/\(job)/events?ticket=\(ticket)")
            let otherStream = try other.stream("/v1/jobs/\(job)/events")
            for reader in [stream, ticketStream, otherStream] { #expect(try reader.next()?.event == "stream.hello") }

            #expect(try daemon.keys("revoke", id).status == 0)
            // Before SIGHUP the key is still valid.
            #expect(try client.get("/v1/jobs").status == 200)
            try daemon.reloadKeys { try client.get("/v1/jobs").status == 401 }
            for reader in [stream, ticketStream] {
                #expect(try reader.rest(within: 20).last?.data == #"{"type":"stream.end","reason":"unauthorized"}"#)
                #expect(reader.endedCleanly)
            }
            #expect(try daemon.get("/v1/jobs/\(job)/events?ticket=\(ticket)").status == 401)
            #expect(try other.post("/v1/jobs/\(job)/cancel").status == 200)
            #expect(try otherStream.rest().last?.event == "job.canceled")
            #expect(try daemon.keys("list").output.contains("revoked"))
            #expect(try daemon.keys("revoke", "000000000000").status == 1)

            let file = URL(filePath: daemon.directory + "/data/keys.json")
            // Each hash has one letter too many, as after a manual edit. If the keys were silently
            // ignored, they would be lost.
            let damaged = try String(contentsOf: file, encoding: .utf8).replacing(#""hash":""#, with: #""hash":"-"#)
            for (time, text) in [damaged, "{"].enumerated() {
                try Data(text.utf8).write(to: file)
                try daemon.reloadKeys {
                    daemon.log.components(separatedBy: "cannot reload the API keys").count == time + 2
                }
                #expect(try other.get("/v1/jobs").status == 200)
                #expect(try client.get("/v1/jobs").status == 401)
                let (status, output) = try daemon.keys("list")
                #expect(status == 1 && output.contains("is not a valid key file"), "\(output)")
            }
        }
    }

    @Test(
        "requests do not read the key file, which contains no key and is readable by its owner only")
    func memory() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: ["LONGTAKE_AUTH_MODE=keys"])
            let client = try daemon.makeClient(tenant: "acme")
            let path = daemon.directory + "/data/keys.json"
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(!text.contains(client.fields[0].suffix(64)))
            #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
            try FileManager.default.removeItem(atPath: path)
            #expect(try client.get("/v1/jobs").status == 200)
        }
    }
}
