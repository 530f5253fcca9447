import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Processes {
    /// F8. If a shutdown does not store which stages it interrupts, the next start has to recover
    /// them (O5).
    @Test("F8: SIGTERM or SIGINT under load exits with 0 within the grace period and uses up no attempt", .tags(.slow))
    func stopped() async throws {
        try await Campaign("F8", rounds: 5).run { site in
            site.rest(100...900)
            site.daemon.signal(SIGHUP)
            site.daemon.signal(site.generator.percent(50) ? SIGTERM : SIGINT)
            let status = site.daemon.wait(within: 15)
            if status != 0 { site.history.violated(.progress, "the shutdown ended with \(status ?? -1)") }
            site.injections += 1
            try site.restart()
            let opened = site.daemon.log.split(separator: "\n").last { $0.contains("journal opened") } ?? ""
            if !opened.contains(#""recovered_stages":"0""#) {
                site.history.violated(.stages, "a graceful shutdown left stages to recover: \(opened)")
            }
        }
    }

    /// F8. A second SIGTERM ends the process at once. The next start recovers the work that it
    /// interrupted.
    @Test("F8: a second SIGTERM, and a SIGTERM during startup, lose no data", .tags(.slow))
    func stoppedTwice() async throws {
        try await Campaign("F8 twice", rounds: 5).run { site in
            site.rest(100...600)
            site.daemon.signal(SIGTERM)
            site.rest(0...80)
            site.daemon.signal(SIGTERM)
            let status = site.daemon.wait(within: 15)
            // The status is 0 if the shutdown was over before the second signal.
            if status != 0, status != 143 {
                site.history.violated(.progress, "the daemon exited with \(status ?? -1) after two signals")
            }
            try site.daemon.startWithoutWaiting()
            site.rest(0...60)
            site.daemon.signal(SIGTERM)
            if site.daemon.wait(within: 15) == nil {
                site.history.violated(.progress, "a shutdown during startup hangs")
                site.daemon.kill()
            }
            site.injections += 2
            try site.restart()
        }
    }

    /// F9. If a time limit counted the pause, the running stages would fail (O5). If a stream's
    /// deadline counted it, the daemon would disconnect the reader (O8).
    @Test("F9: after a pause the daemon continues, and neither stages nor streams time out", .tags(.slow))
    func paused() async throws {
        let pause = Campaign.isLong ? 31_000 : 5_000
        var campaign = Campaign("F9", rounds: 1)
        // The time limit of every stage is shorter than the pause.
        let pipelines = try PipelineFile { text in
            text.replacing(", seconds: ", with: ", time_limit_seconds: 4, seconds: ")
                .replacing("\n        seconds: ", with: "\n        time_limit_seconds: 4\n        seconds: ")
        }
        campaign.mayBeSilent = true
        campaign.environment = ["LONGTAKE_PIPELINES=\(pipelines.path)"]
        try await campaign.run { site in
            site.rest(500...900)
            let reader = try site.daemon.feed()
            _ = try reader.next()
            site.daemon.signal(SIGSTOP)
            poll(nil, 0, CInt(pause))
            let end = Timestamp.now
            site.daemon.signal(SIGCONT)
            site.injections += 1
            // The same connection continues with events from after the pause.
            var hasContinued = false
            while !hasContinued, let block = try reader.next() {
                hasContinued = try block.data.map { try JSON.object($0)["at"] as? String ?? "" > end.text } ?? false
            }
            if !hasContinued { site.history.violated(.resume, "the pause disconnected a reader") }
        }
    }

    /// F10. If a wait used the wall clock, it would last an hour longer after the clock is set back
    /// (O4).
    @Test(
        "F10: jumps of the wall clock by an hour, forwards and backwards, cause no timeout and no delay", .tags(.slow))
    func clockJumps() async throws {
        var campaign = Campaign("F10", rounds: 8)
        // With this many reports the writer waits for more of them before it commits. This is one
        // of the waits.
        campaign.arguments = ["--speed", "20"]
        campaign.environment = ["LONGTAKE_REPORTS_INTERVAL_MILLISECONDS=10"]
        campaign.pause = 150
        campaign.jobs = 60
        try await campaign.run { site in
            site.rest(50...400)
            let hours = [-3_600_000, 3_600_000, 0].randomElement(using: &site.generator) ?? 0
            site.control[.clockOffset] = Int64(hours) + Int64(site.generator.draw(-5_000...5_000))
            // The daemon's own responses show that its clock has changed.
            let deadline = Deadline(10)
            while !(hours == 0 ? 0...1 : 58...62).contains(try site.clockDifferenceMinutes()) {
                try #require(!deadline.isOver, "the daemon's clock did not change by \(hours) ms")
            }
            site.injections += 1
        }
    }
}

extension Campaign.Site {
    /// The difference between the daemon's clock and the test's clock, from the `Date` of a
    /// response.
    fileprivate func clockDifferenceMinutes() throws -> Int {
        let date = try daemon.get("/healthz")["date"] ?? ""
        let daemons = date.split(separator: " ").dropFirst(4).first.map(String.init) ?? ""
        let (one, other) = (Self.minutes(daemons), Self.minutes(String(Timestamp.now.text.dropFirst(11))))
        let apart = abs(one - other)
        return min(apart, 1440 - apart)
    }

    /// The minutes since midnight at a time such as `12:34:56`.
    private static func minutes(_ text: String) -> Int {
        let parts = text.split(separator: ":").compactMap { Int($0) }
        return parts.count >= 2 ? parts[0] * 60 + parts[1] : -10_000
    }
}
