import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Processes {
    /// F8. A shutdown must not free anything that a thread still uses: database connections, event
    /// loops, signal handlers. The test makes ten shutdowns, or as many as `LONGTAKE_STOPS` says.
    /// `make sanitize` runs it with a daemon that traps at each invalid memory access.
    @Test(
        "F8: a shutdown during reads, waits, streams and submissions exits with 0 and logs no error", .tags(.slow)
    )
    func stoppedWhileRead() async throws {
        let stops = getenv("LONGTAKE_STOPS").flatMap { Int(String(cString: $0)) } ?? 10
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "50")
            for round in 1...stops {
                if round > 1 { try daemon.start() }
                let load = try ShutdownLoad(daemon)
                // The delay differs from round to round, so that other requests are in progress.
                poll(nil, 0, CInt(10 + round * 37 % 150))
                daemon.signal(SIGTERM)
                let status = daemon.wait(within: 60)
                load.end()
                let log = daemon.log
                try #require(status == 0, "shutdown \(round) exited with \(status ?? -1):\n\(log.suffix(4_000))")
                for error in ["Fatal error", "Sanitizer", "already shut down", "critical", "does not end"] {
                    try #require(!log.contains(error), "shutdown \(round):\n\(log.suffix(8_000))")
                }
            }
            print("F8: \(stops) shutdowns under load")
            try DatabaseFile(daemon.directory + "/data").check()
        }
    }
}

/// Clients of every kind. They send requests until the daemon exits.
private struct ShutdownLoad {
    private let threads: [BlockingAnswer]
    private let sockets: [Socket]

    init(_ daemon: DaemonProcess) throws {
        let job = try daemon.submit()
        func line(_ request: String) -> String { "GET \(request)\r\nHost: localhost\r\n" }
        let lists = line("/v1/jobs?limit=200 HTTP/1.1") + "\r\n"
        let pages = line("/v1/jobs/\(job)/events HTTP/1.1") + "Accept: application/json\r\n\r\n"
        let jobs = line("/v1/jobs/\(job) HTTP/1.1") + "\r\n"
        let metrics = line("/metrics HTTP/1.1") + "\r\n"
        let waits = line("/v1/jobs/\(job) HTTP/1.1") + "Prefer: wait=50\r\n\r\n"
        let streams = line("/v1/jobs/\(job)/events HTTP/1.1") + "Accept: text/event-stream\r\n\r\n"
        let feeds = line("/v1/events?after=0 HTTP/1.1") + "Accept: text/event-stream\r\n\r\n"
        let submissions = RequestText.submission(#"{"input":{"prompt":"a paper boat in the rain"}}"#)
        sockets = try [waits, waits, streams, streams, feeds].map { request in
            let socket = try daemon.connect()
            try socket.send(request)
            return socket
        }
        threads = [lists, lists, pages, jobs, metrics, submissions].map { request in
            BlockingAnswer {
                let socket = try daemon.connect()
                // Sends many requests at once, so that the daemon always has a next one.
                while true {
                    try socket.send(String(repeating: request, count: 20))
                    for _ in 0..<20 { _ = try socket.readResponse(within: 20) }
                }
            }
        }
    }

    func end() {
        for thread in threads { _ = try? thread.wait(within: 60) }
        withExtendedLifetime(sockets) {}
    }
}
