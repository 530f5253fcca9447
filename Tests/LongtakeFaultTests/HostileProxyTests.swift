import LongtakeDaemonDriver
import Testing

/// Sends the list of hostile inputs through a real nginx. nginx rejects some of them and rewrites
/// the others, so the daemon gets other bytes than in `HostileInputTests`. The daemon must not find
/// a request where nginx found none. Otherwise there would be a job whose client got no response.
@Suite(.serialized, .enabled(if: ProxyServer.isInstalled)) struct HostileProxyTests {
    // This test failed when it did not count the response after a 100: there was one job more than
    // responses.
    @Test(
        "the daemon executes no request that is hidden in another one, and continues", arguments: HostileGroup.all,
        [nil, "1.1"] as [String?])
    func group(_ group: HostileGroup, version: String?) async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: ["CPU", "GPU", "IO"].map { "LONGTAKE_QUEUES_\($0)_WORKERS=0" })
            let proxy = try ProxyServer(to: daemon.port, version: version, path: "/", patience: "300ms")
            for input in group.inputs {
                let before = try daemon.submissions()
                let statuses = try Self.answers(to: input, at: proxy.port)
                #expect(!statuses.contains(500), "\(input.name)")
                #expect(
                    try daemon.submissions() - before == statuses.count { $0 == 201 },
                    "\(input.name): one job for each 201 in \(statuses)")
                #expect(try daemon.get("/healthz").status == 200, "\(input.name)")
            }
            #expect(!daemon.log.contains("request failed"), "no input causes an internal error")
        }
    }

    /// The status of each response until the connection closes, or nginx waits for the rest of a
    /// request.
    private static func answers(to input: HostileInput, at port: Int) throws -> [Int] {
        let socket = try Socket(port: port)
        try? socket.send(input.bytes)
        // This request follows the input. If nginx still waits for the rest of a body, it treats
        // this request as the rest, and sends no response.
        try? socket.send("GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        var statuses: [Int] = []
        while let head = try? socket.readHead(), head.status != 404 {
            statuses.append(head.status)
            let isEmpty = head.status < 200 || [204, 304].contains(head.status) || input.isHead && statuses.count == 1
            guard !isEmpty else { continue }
            guard (try? socket.readBody(of: head)) != nil else { break }
        }
        return statuses
    }
}
