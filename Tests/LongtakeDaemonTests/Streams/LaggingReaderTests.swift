import Glibc
import LongtakeDaemonDriver
import Testing

/// Clients that lag behind or disconnect, on real sockets.
@Suite(.serialized) struct LaggingReaderTests {
    /// Settings that produce many events in a short time.
    private static let busy = [
        "LONGTAKE_REPORTS_INTERVAL_MILLISECONDS=10", "LONGTAKE_QUEUES_GPU_WORKERS=64", "LONGTAKE_QUEUES_CPU_WORKERS=64",
    ]

    @Test("a client that is far behind receives all events as fast as its socket accepts them")
    func lagging() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "100", environment: Self.busy)
            let lagging = try daemon.feed("?after=0", receiveBuffer: 4_096)
            let jobs = try (0..<20).map { _ in try daemon.submit() }
            // It lags while another client reads a whole event log without delay.
            try daemon.wholeLog(of: jobs[0]).checkWhole()
            var (lines, ended): ([String], Int) = ([], 0)
            while ended < jobs.count, let block = try lagging.next() {
                guard block.isLogged, let data = block.data else { continue }
                lines.append(data)
                if block.event == "job.succeeded" { ended += 1 }
            }
            let logs = try jobs.map { try daemon.wholeLog(of: $0) }
            for log in logs { try log.checkWhole() }
            let wanted = logs.reduce(0) { $0 + $1.lines.count }
            #expect(lines.count == wanted && Set(lines) == Set(logs.flatMap(\.lines)), "no event is missing")
        }
    }

    @Test(
        "disconnects a client that never reads, without delay for others, and the client resumes exactly", .tags(.slow))
    func stuck() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "100", environment: Self.busy + ["LONGTAKE_STREAM_MAX_STREAMS=2"])
            let stuck = try daemon.feed("?after=0", receiveBuffer: 4_096)
            let jobs = try (0..<30).map { _ in try daemon.submit() }
            let logs = try jobs.map { id in
                let log = try daemon.wholeLog(of: id)
                try log.checkWhole()
                return log.lines
            }
            // The write deadline is 10 seconds after the kernel accepted the last byte.
            #expect(stuck.socket.waitForCut(within: 25))
            let other = try daemon.feed("?after=0")
            #expect(other.head.status == 200)
            // The received bytes are a complete beginning of the event log.
            var seen: [String] = []
            var last = ""
            while let block = try? stuck.next() {
                if let id = block.id { last = id }
                if block.isLogged, let data = block.data { seen.append(data) }
            }
            let wanted = logs.reduce(0) { $0 + $1.count }
            try #require(seen.count < wanted, "the client was blocked")
            // Its slot is free again: this is the second of two streams.
            let rest = try daemon.feed("", "Last-Event-ID: \(last)")
            try #require(rest.head.status == 200)
            while seen.count < wanted, let block = try rest.next() {
                if block.isLogged, let data = block.data { seen.append(data) }
            }
            let (all, once) = (Set(logs.flatMap { $0 }), Set(seen))
            #expect(seen.count == wanted && once.count == wanted, "no event is duplicated")
            #expect(once == all, "missing: \(all.subtracting(once)), unknown: \(once.subtracting(all))")
        }
    }

    @Test("a client that dies frees its slot at once")
    func reset() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: [
                "LONGTAKE_STREAM_MAX_STREAMS=1", "LONGTAKE_QUEUES_CPU_WORKERS=0",
            ])
            let id = try daemon.submit()
            for _ in 0..<3 {
                // Each stream but the first finds the slot in use until the death of the previous
                // client is detected.
                let deadline = Deadline(10)
                var reader = try daemon.follow(id, "", "Accept: application/x-ndjson")
                while reader.head.status != 200 {
                    try #require(!deadline.isOver)
                    reader = try daemon.follow(id, "", "Accept: application/x-ndjson")
                }
                _ = try reader.socket.readChunk()
                reader.socket.resetAtClose()
            }
        }
    }

    @Test(
        "disconnects a client whose machine has disappeared", .tags(.slow), .enabled(if: Namespace.isAvailable))
    func silence() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(
                environment: [
                    "LONGTAKE_STREAM_HEARTBEAT_SECONDS=1", "LONGTAKE_STREAM_MAX_STREAMS=1",
                    "LONGTAKE_QUEUES_CPU_WORKERS=0",
                ], inNamespace: true)
            let id = try daemon.submit()
            let reader = try daemon.follow(id)
            #expect(try reader.next()?.event == "stream.hello")
            // From here on no packet arrives in either direction.
            try Namespace.setLoopback(up: false, of: daemon.pid)
            // The request uses the Unix socket, which needs no network.
            let deadline = Deadline(60)
            while try daemon.headOverUnixSocket("/v1/jobs/\(id)/events", "Accept: application/x-ndjson").status != 200 {
                try #require(!deadline.isOver)
                poll(nil, 0, 100)
            }
        }
    }

    @Test("a shutdown spreads the ends of many streams, and each gets stream.end")
    func drainSpread() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: DaemonProcess.drained)
            let id = try daemon.submit()
            let readers = try daemon.beginDrain(before: 200, of: id)
            // When the first stream ends, most others have not. The ends are spread over time, and
            // so are the reconnects.
            #expect(readers.count { $0.socket.hasBytes } < 100)
            for reader in readers {
                #expect(try reader.next()?.data == #"{"type":"stream.end","reason":"draining"}"#)
                #expect(try reader.next() == nil && reader.endedCleanly)
            }
            #expect(daemon.wait(within: 40) == 0)
        }
    }
}
