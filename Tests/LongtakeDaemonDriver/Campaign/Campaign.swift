import Glibc
import Synchronization
import Testing

/// One fault against a real daemon under load, over and over: who drives, and what is checked when it is over.
///
/// Short and with a fixed seed by default. `LONGTAKE_SOAK_SECONDS` has each fault go on for so long, with fresh data and a seed of its own each
/// time; `LONGTAKE_SEED` sets the first seed.
package struct Campaign: Sendable {
    /// F1 to F15, as docs/reliability.md counts them.
    package let fault: String
    package var arguments: [String] = ["--speed", "100"]
    package var environment: [String] = []
    package var wrapper: [String] = []
    /// The file system that the data is on, with so few megabytes that it can be filled; `nil` for the machine's own.
    package var disk: (kind: SmallDisk.Kind, megabytes: Int)?
    /// How often the fault comes in one season.
    package var rounds: Int
    package var submitters = 2
    package var followers = 12
    /// Jobs in a season, at most.
    package var jobs = 200
    /// Milliseconds between two submissions of one client, at most.
    package var pause = 900
    /// Seconds within which an answer or a sign of life has to come. A bound on hanging, not on being slow.
    package var silence = 20.0
    /// Whether the daemon is paused for longer than an answer may take.
    package var mayBeSilent = false
    /// Seconds that the jobs may take to their end once the faults are over.
    package var patience = 40.0

    package init(_ fault: String, rounds: Int) {
        self.fault = fault
        self.rounds = rounds
    }

    /// What a fault is injected into.
    package final class Site {
        package let daemon: DaemonProcess
        package let control: FaultControl
        /// That the data is on, where the campaign asks for one.
        package private(set) var disk: SmallDisk?
        package let history: History
        package let checker: Checker
        package var generator: SeededGenerator
        package var round = 0
        /// How often the fault was injected.
        package var injections = 0
        /// How long the starts took until the daemon was ready.
        package var starts: [Duration] = []

        init(_ campaign: Campaign, seed: UInt64) throws {
            let directory = try DaemonProcess.temporaryDirectory()
            control = try FaultControl(directory: directory)
            let data = directory + "/data"
            disk = try campaign.disk.map { disk in
                guard mkdir(data, 0o700) == 0 else { throw DaemonProcess.DidNotStart(description: "\(data): \(errno)") }
                return try SmallDisk(disk.kind, megabytes: disk.megabytes, at: data)
            }
            daemon = try DaemonProcess(
                arguments: campaign.arguments,
                environment: control.environment + [
                    "LONGTAKE_QUEUES_GPU_WORKERS=32", "LONGTAKE_QUEUES_CPU_WORKERS=32",
                    "LONGTAKE_STREAM_HEARTBEAT_SECONDS=1",
                ]
                    + campaign.environment, directory: directory, wrapper: campaign.wrapper)
            history = History()
            checker = Checker(daemon: daemon, history: history)
            generator = SeededGenerator(seed: seed)
        }

        deinit {
            daemon.kill()
            // Unmounted first.
            disk = nil
            DaemonProcess.remove(daemon.directory)
        }

        /// Starts the daemon again, and looks at once whether all that runs has an owner.
        package func restart(_ more: String...) throws {
            checker.checkLogSize()
            let begin = Timestamp.now
            starts.append(try daemon.start(more))
            checker.checkOwners(since: begin)
        }

        /// `kill -9`, of a process that has not died of something else before.
        package func kill() {
            daemon.kill()
            expectKilled()
        }

        /// That the last life ended as it was made to end.
        package func expectKilled() {
            guard daemon.lastStatus != 128 + SIGKILL else { return }
            history.violated(.goesOn, "it ended by itself, with \(daemon.lastStatus ?? -1)")
        }

        /// Lets the work go on for a while that is drawn.
        package func rest(_ milliseconds: ClosedRange<Int>) { poll(nil, 0, CInt(generator.draw(milliseconds))) }
    }

    /// Runs seasons until the time is over, one at least.
    package func run(_ inject: @escaping @Sendable (Site) throws -> Void) async throws {
        try await onOwnThread { try runBlocking(inject) }
    }

    private func runBlocking(_ inject: (Site) throws -> Void) throws {
        let first = Self.variable("LONGTAKE_SEED").flatMap(UInt64.init) ?? 20_261_121
        var report = CampaignReport(fault: fault, firstSeed: first)
        let deadline = Deadline(Self.seconds)
        repeat {
            let seed = first + UInt64(report.seasons)
            let site = try Site(self, seed: seed)
            do {
                try season(site, seed: seed, inject)
            } catch {
                site.history.violated(.goesOn, "\(error)")
            }
            report.add(site)
            let violations = site.history.violations
            let log = site.daemon.log.split(separator: "\n").suffix(20).joined(separator: "\n")
            #expect(violations.isEmpty, "\(fault), LONGTAKE_SEED=\(seed)\n\(log)")
            if !violations.isEmpty { break }
            report.tell(isOver: deadline.isOver)
        } while !deadline.isOver
        #expect(report.injections > 0, "the fault was injected")
        #expect(report.counts.submitted > 0, "there was work to lose")
        report.write()
    }

    private func season(_ site: Site, seed: UInt64, _ inject: (Site) throws -> Void) throws {
        let (load, readers) = (Crew(), Crew())
        let over = Mutex(false)
        let following = Followers(
            daemon: site.daemon, history: site.history, silence: silence, mayBeSilent: mayBeSilent)
        for index in 0..<submitters {
            let seed = site.generator.next()
            let submitter = Submitter(
                daemon: site.daemon, history: site.history, crew: load, found: { following.follow($0) },
                name: "\(fault) of \(seed % 1_000_000) by \(index)", pause: pause, limit: jobs / submitters,
                silence: silence, mayBeSilent: mayBeSilent)
            load.run { submitter.run(seed) }
        }
        for _ in 0..<followers {
            let seed = site.generator.next()
            readers.run { following.run(load, { over.withLock { $0 } }, seed: seed) }
        }
        let feed = FeedFollower(daemon: site.daemon, history: site.history)
        let feedSeed = site.generator.next()
        let feeders = Crew()
        feeders.run { feed.run(feeders, seed: feedSeed) }
        defer {
            load.stop()
            feeders.stop()
            over.withLock { $0 = true }
            _ = load.wait(Deadline(30)) && readers.wait(Deadline(30)) && feeders.wait(Deadline(30))
        }
        for round in 0..<rounds {
            site.round = round
            try inject(site)
        }
        site.control.calm()
        load.stop()
        #expect(load.wait(Deadline(60)), "all submissions have an end")
        if !readers.wait(Deadline(patience)) {
            site.history.violated(.goesOn, "a reader never came to the end of its job")
        }
        let deadline = Deadline(20)
        while let job = unfed(site.history) {
            if deadline.isOver {
                site.history.violated(.resume, "the feed never gave the whole log of \(job)")
                break
            }
            poll(nil, 0, 20)
        }
        feeders.stop()
        #expect(feeders.wait(Deadline(30)), "the feed's reader has an end")
        try site.checker.checkAll(within: patience, using: &site.generator)
    }

    /// A job whose log the feed has not given as far as its own reader has it.
    private func unfed(_ history: History) -> String? {
        let (whole, feed) = (history.whole, history.feed)
        return history.jobs.keys.first { (feed[$0] ?? 0) < (whole[$0] ?? .max) }
    }

    /// Does what has no load beside it: once, and in the long form until the time is over.
    package static func repeated(_ fault: String, _ body: @escaping @Sendable () throws -> Void) async throws {
        try await onOwnThread {
            let deadline = Deadline(seconds)
            var count = 0
            repeat {
                try body()
                count += 1
            } while !deadline.isOver
            print("\(fault): \(count) times")
        }
    }

    /// How long each fault goes on.
    private static var seconds: Double { variable("LONGTAKE_SOAK_SECONDS").flatMap(Double.init) ?? 0 }

    /// Whether this is the long form.
    package static var isLong: Bool { variable("LONGTAKE_SOAK_SECONDS") != nil }

    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
