import LongtakeDaemonDriver
import Testing

/// The list of hostile inputs through a real nginx, which has a mind of its own about each: what it refuses does not arrive here, and what it
/// passes on it has written anew. What matters is that we never take for a request what it took for something else: then there would be a job
/// that no client was told of.
@Suite(.serialized, .enabled(if: ProxyServer.isInstalled)) struct HostileProxyTests {
    // Seen to fail where an answer behind a 100 was not counted: then there was a job that nobody was told of.
    @Test(
        "nothing that hides in a request becomes one, and the daemon goes on", arguments: HostileGroup.all,
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
                    "\(input.name): a job for each that its client was told of, \(statuses)")
                #expect(try daemon.get("/healthz").status == 200, "\(input.name)")
            }
            #expect(!daemon.log.contains("request failed"), "nothing of this was an error of ours")
        }
    }

    /// The status of each answer until the connection ends, or the proxy waits for the rest of a request.
    private static func answers(to input: HostileInput, at port: Int) throws -> [Int] {
        let socket = try Socket(port: port)
        try? socket.send(input.bytes)
        // Behind whatever comes of the input: a proxy that waits for the rest of a body takes this for it and answers nothing.
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
