import Glibc
import LongtakeDaemonDriver
import Testing

/// No descriptors left, or no room in the queue for the disk (faults F11 and F5).
@Suite(.serialized) struct DescriptorFaultTests {
    private static let limited = ["/usr/bin/prlimit", "--nofile=64:64", "--"]
    private static let canLimit = access("/usr/bin/prlimit", X_OK) == 0

    // Seen to fail without `makeRoom` in Listener: no honest client got in. Without the bound of connections it was the same, and the process
    // used 0.95 of a processor for nothing, as long as AcceptPause was not there either.
    @Test("200 connections that do nothing keep nobody out of a daemon with 64 descriptors", .enabled(if: canLimit))
    func idleConnections() async throws {
        try await Campaign.repeated("F11, idle") {
            let daemon = try DaemonProcess("--speed", "20", wrapper: Self.limited)
            let reading = ProcessReading(daemon)
            let baseline = reading.descriptors
            let watcher = try daemon.follow(daemon.submit())
            var crowd: [Socket] = []
            for _ in 0..<200 { crowd.append(try daemon.connect()) }
            // Each got in, since those before it made room, and the database has kept its own.
            for _ in 0..<5 { _ = try Self.patiently { try daemon.submit() } }
            #expect(try Self.patiently { try daemon.get("/v1/jobs") }.status == 200)
            #expect(try Self.patiently { try daemon.get("/readyz") }.status == 200)
            #expect(reading.descriptors < 64, "some are left for the daemon itself")
            try Self.checkQuiet(reading)
            try JobLog(watcher.rest()).checkWhole()
            crowd = []
            let isFree = ProcessReading.wait(upTo: 10) { reading.descriptors <= baseline + 2 }
            #expect(isFree, "\(reading.descriptors) are open")
            #expect(daemon.stop() == 0)
            try DatabaseFile(daemon.directory + "/data").check()
        }
    }

    // Seen to fail without AcceptPause in Listener, and with NIO's AcceptBackoffHandler in its place: 1.0 of a processor, for as long as the
    // connections stayed.
    @Test(
        "without a descriptor left the daemon waits and uses no processor, and goes on afterwards",
        .enabled(if: canLimit))
    func exhausted() async throws {
        try await Campaign.repeated("F11, exhausted") {
            let daemon = try DaemonProcess("--speed", "20")
            let reading = ProcessReading(daemon)
            let first = try daemon.connect()
            #expect(try first.exchange("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200)
            // The limit falls below what is open, as it may where the whole system has none left.
            try Tool.run("/usr/bin/prlimit", "--pid=\(daemon.pid)", "--nofile=\(reading.descriptors):")
            var crowd: [Socket] = []
            for _ in 0..<200 { crowd.append(try daemon.connect()) }
            try Self.checkQuiet(reading)
            // O7: who is connected is served, and what is acknowledged is kept.
            let answer = try first.exchange(DaemonProcess.submission())
            #expect(answer.status == 201)
            crowd = []
            try Tool.run("/usr/bin/prlimit", "--pid=\(daemon.pid)", "--nofile=1024:")
            let id = try #require(try answer.object()["id"] as? String)
            try daemon.wholeLog(of: id).checkWhole()
            #expect(try daemon.get("/readyz").status == 200)
            #expect(daemon.stop() == 0)
            try DatabaseFile(daemon.directory + "/data").check()
        }
    }

    /// A daemon with nothing to do does nothing: measured over a time, which is why there is one here.
    private static func checkQuiet(_ reading: ProcessReading) throws {
        let (before, began) = (reading.cpuSeconds, ContinuousClock.now)
        poll(nil, 0, 1_500)
        let share = (reading.cpuSeconds - before) / ((.now - began) / .seconds(1))
        #expect(share < 0.25, "\(share) of a processor")
    }

    /// Tries again for some seconds, as a client does whose connection was closed before it was answered.
    private static func patiently<Value>(_ body: () throws -> Value) throws -> Value {
        let deadline = Deadline(10)
        while !deadline.isOver {
            if let value = try? body() { return value }
            poll(nil, 0, 50)
        }
        return try body()
    }
}
