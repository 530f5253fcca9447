import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Processes {
    /// F8. Where the drain does not write down what it interrupts, the next start has to recover it: O5.
    @Test("F8: SIGTERM and SIGINT under load drain within the grace, with 0, and burn no attempt", .tags(.slow))
    func stopped() async throws {
        try await Campaign("F8", rounds: 5).run { site in
            site.rest(100...900)
            site.daemon.signal(SIGHUP)
            site.daemon.signal(site.generator.percent(50) ? SIGTERM : SIGINT)
            let status = site.daemon.wait(within: 15)
            if status != 0 { site.history.violated(.goesOn, "the drain ended with \(status ?? -1)") }
            site.injections += 1
            try site.restart()
            let opened = site.daemon.log.split(separator: "\n").last { $0.contains("journal opened") } ?? ""
            if !opened.contains(#""recovered_stages":"0""#) {
                site.history.violated(.stages, "an orderly stop left work to the recovery: \(opened)")
            }
        }
    }

    /// F8. The second one is for those who cannot wait; what it cuts short is recovered.
    @Test("F8: a second SIGTERM, and one during the start, lose nothing", .tags(.slow))
    func stoppedTwice() async throws {
        try await Campaign("F8 twice", rounds: 5).run { site in
            site.rest(100...600)
            site.daemon.signal(SIGTERM)
            site.rest(0...80)
            site.daemon.signal(SIGTERM)
            let status = site.daemon.wait(within: 15)
            // 0 where the drain was over before the second came.
            if status != 0, status != 143 { site.history.violated(.goesOn, "it ended with \(status ?? -1)") }
            try site.daemon.startWithoutWaiting()
            site.rest(0...60)
            site.daemon.signal(SIGTERM)
            if site.daemon.wait(within: 15) == nil {
                site.history.violated(.goesOn, "a stop during the start hangs")
                site.daemon.kill()
            }
            site.injections += 2
            try site.restart()
        }
    }

    /// F9. A time limit that counts the pause fails the stages that it found running: O5. So does a reader's deadline cut it: O8.
    @Test("F9: a daemon that was paused goes on, and nothing is timed out falsely", .tags(.slow))
    func paused() async throws {
        let pause = Campaign.isLong ? 31_000 : 5_000
        var campaign = Campaign("F9", rounds: 1)
        // Every stage has less time than the pause takes.
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
            // The same connection goes on, with what happens from here on.
            var isBehind = false
            while !isBehind, let block = try reader.next() {
                isBehind = try block.data.map { try JSON.object($0)["at"] as? String ?? "" > end.text } ?? false
            }
            if !isBehind { site.history.violated(.resume, "a reader was cut off by the pause") }
        }
    }

    /// F10. A wait that is measured on the wall clock lasts an hour longer when that is set back: O4.
    @Test("F10: the wall clock jumps an hour to and fro, and nothing is timed out or held up", .tags(.slow))
    func clockJumps() async throws {
        var campaign = Campaign("F10", rounds: 8)
        // So many reports that the writer gathers them, which is such a wait.
        campaign.arguments = ["--speed", "20"]
        campaign.environment = ["LONGTAKE_REPORTS_INTERVAL_MILLISECONDS=10"]
        campaign.pause = 150
        campaign.jobs = 60
        try await campaign.run { site in
            site.rest(50...400)
            let hours = [-3_600_000, 3_600_000, 0].randomElement(using: &site.generator) ?? 0
            site.control[.clockOffset] = Int64(hours) + Int64(site.generator.draw(-5_000...5_000))
            // The daemon's own word for it that its clock is off.
            let deadline = Deadline(10)
            while !(hours == 0 ? 0...1 : 58...62).contains(try site.minutesOff()) {
                try #require(!deadline.isOver, "the clock is off by \(hours)")
            }
            site.injections += 1
        }
    }
}

extension Campaign.Site {
    /// How far the daemon's clock is from ours, in minutes, by the `Date` of an answer.
    fileprivate func minutesOff() throws -> Int {
        let date = try daemon.get("/healthz")["date"] ?? ""
        let daemons = date.split(separator: " ").dropFirst(4).first.map(String.init) ?? ""
        let (one, other) = (Self.minutes(daemons), Self.minutes(String(Timestamp.now.text.dropFirst(11))))
        let apart = abs(one - other)
        return min(apart, 1440 - apart)
    }

    /// Since midnight, of `12:34:56`.
    private static func minutes(_ text: String) -> Int {
        let parts = text.split(separator: ":").compactMap { Int($0) }
        return parts.count >= 2 ? parts[0] * 60 + parts[1] : -10_000
    }
}
