import Glibc
import LongtakeDaemonDriver
import Testing

/// The process runs out of file descriptors (fault F11).
@Suite(.serialized) struct DescriptorFaultTests {
    private static let limited = ["/usr/bin/prlimit", "--nofile=64:64", "--"]
    private static let canLimit = access("/usr/bin/prlimit", X_OK) == 0

    // This test failed without `makeRoom` in Listener: no other client could connect. It also
    // failed without the limit of connections. If `AcceptPause` was missing too, the process wasted
    // 0.95 of a processor.
    @Test(
        "F11: 200 idle connections do not block the other clients of a daemon with 64 file descriptors",
        .enabled(if: canLimit))
    func idleConnections() async throws {
        try await Campaign.repeated("F11, idle") {
            let daemon = try DaemonProcess("--speed", "20", wrapper: Self.limited)
            let usage = ProcessUsage(daemon)
            let baseline = usage.descriptors
            let watcher = try daemon.follow(daemon.submit())
            var connections: [Socket] = []
            for _ in 0..<200 { connections.append(try daemon.connect()) }
            // Every client gets a connection, because the daemon closes an idle one for it. The
            // database keeps its descriptors.
            for _ in 0..<5 { _ = try Self.retrying { try daemon.submit() } }
            #expect(try Self.retrying { try daemon.get("/v1/jobs") }.status == 200)
            #expect(try Self.retrying { try daemon.get("/readyz") }.status == 200)
            #expect(usage.descriptors < 64, "the daemon has free descriptors for its own files")
            try Self.checkIdle(usage)
            try JobLog(watcher.rest()).checkWhole()
            connections = []
            let isFree = ProcessUsage.wait(upTo: 10) { usage.descriptors <= baseline + 2 }
            #expect(isFree, "\(usage.descriptors) descriptors are open, and \(baseline) were open before")
            #expect(daemon.stop() == 0)
            try DatabaseFile(daemon.directory + "/data").check()
        }
    }

    // This test failed without `AcceptPause` in Listener, and with NIO's `AcceptBackoffHandler` in
    // its place: the process used a full processor until the connections were closed.
    @Test(
        "F11: without free descriptors, the daemon stops accepting, uses no processor time, and accepts again later",
        .enabled(if: canLimit))
    func exhausted() async throws {
        try await Campaign.repeated("F11, exhausted") {
            let daemon = try DaemonProcess("--speed", "20")
            let usage = ProcessUsage(daemon)
            let first = try daemon.connect()
            #expect(try first.exchange("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200)
            // Lowers the limit to the number of open descriptors, as if the whole system had no
            // free one.
            try Tool.run("/usr/bin/prlimit", "--pid=\(daemon.pid)", "--nofile=\(usage.descriptors):")
            var connections: [Socket] = []
            for _ in 0..<200 { connections.append(try daemon.connect()) }
            try Self.checkIdle(usage)
            // O7: the daemon still serves the connected client, and stores the job that it
            // acknowledges.
            let answer = try first.exchange(RequestText.submission())
            #expect(answer.status == 201)
            connections = []
            try Tool.run("/usr/bin/prlimit", "--pid=\(daemon.pid)", "--nofile=1024:")
            let id = try #require(try answer.object()["id"] as? String)
            try daemon.wholeLog(of: id).checkWhole()
            #expect(try daemon.get("/readyz").status == 200)
            #expect(daemon.stop() == 0)
            try DatabaseFile(daemon.directory + "/data").check()
        }
    }

    /// Checks that an idle daemon uses almost no processor time. This can only be measured over a
    /// period, so the test waits.
    private static func checkIdle(_ usage: ProcessUsage) throws {
        let (before, began) = (usage.cpuSeconds, ContinuousClock.now)
        poll(nil, 0, 1_500)
        let share = (usage.cpuSeconds - before) / ((.now - began) / .seconds(1))
        #expect(share < 0.25, "the daemon used \(share) of a processor")
    }

    /// Retries for ten seconds, as a client does if its connection closes before it gets a
    /// response.
    private static func retrying<Value>(_ body: () throws -> Value) throws -> Value {
        let deadline = Deadline(10)
        while !deadline.isOver {
            if let value = try? body() { return value }
            poll(nil, 0, 50)
        }
        return try body()
    }
}
