import Glibc
import Synchronization
import Testing

/// Injects one fault repeatedly into a real daemon under load, and checks the result.
///
/// By default it is short and has a fixed seed. `LONGTAKE_SOAK_SECONDS` repeats each fault for this
/// time, with fresh data and a new seed each time. `LONGTAKE_SEED` sets the first seed.
package struct Campaign: Sendable {
    /// F1 to F15, as in docs/reliability.md.
    package let fault: String
    package var arguments: [String] = ["--speed", "100"]
    package var environment: [String] = []
    package var wrapper: [String] = []
    /// The file system of the data and its size in megabytes, so that it can be filled; `nil` for
    /// the machine's own.
    package var disk: (kind: SmallDisk.Kind, megabytes: Int)?
    /// The number of faults per run.
    package var rounds: Int
    package var submitters = 2
    package var followers = 12
    /// The maximum number of jobs per run.
    package var jobs = 200
    /// The maximum number of milliseconds between two submissions of one client.
    package var pause = 900
    /// The timeout of responses and heartbeats, in seconds. It detects a daemon that hangs, not one
    /// that is slow.
    package var silence = 20.0
    /// Whether the daemon is paused for longer than the response timeout.
    package var mayBeSilent = false
    /// The maximum number of seconds until all jobs end after the faults.
    package var patience = 40.0

    package init(_ fault: String, rounds: Int) {
        self.fault = fault
        self.rounds = rounds
    }

    /// The daemon under test and its load.
    package final class Site {
        package let daemon: DaemonProcess
        package let control: FaultControl
        /// The file system of the data, if the campaign has one.
        package private(set) var disk: SmallDisk?
        package let history: History
        package let checker: Checker
        package var generator: SeededGenerator
        package var round = 0
        /// The number of injected faults.
        package var injections = 0
        /// The time of each start until the daemon was ready.
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
            // The file system is unmounted first.
            disk = nil
            DaemonProcess.remove(daemon.directory)
        }

        /// Restarts the daemon and checks at once that every running stage has an owner.
        package func restart(_ more: String...) throws {
            checker.checkLogSize()
            let begin = Timestamp.now
            starts.append(try daemon.start(more))
            checker.checkOwners(since: begin)
        }

        /// Sends SIGKILL, after a check that the process has not exited by itself.
        package func kill() {
            daemon.kill()
            expectKilled()
        }

        /// Checks that the process ended as intended.
        package func expectKilled() {
            guard daemon.lastStatus != 128 + SIGKILL else { return }
            history.violated(.progress, "it exited by itself, with \(daemon.lastStatus ?? -1)")
        }

        /// Lets the load run for a random time.
        package func rest(_ milliseconds: ClosedRange<Int>) { poll(nil, 0, CInt(generator.draw(milliseconds))) }
    }

    /// Makes runs until the time is over, at least one. Each run has a fresh database, its own load
    /// and its own seed.
    package func run(_ inject: @escaping @Sendable (Site) throws -> Void) async throws {
        try await onOwnThread { try runBlocking(inject) }
    }

    private func runBlocking(_ inject: (Site) throws -> Void) throws {
        let first = Self.variable("LONGTAKE_SEED").flatMap(UInt64.init) ?? 20_261_121
        var report = CampaignReport(fault: fault, firstSeed: first)
        let deadline = Deadline(Self.seconds)
        repeat {
            let seed = first + UInt64(report.runs)
            let site = try Site(self, seed: seed)
            do {
                try runOnce(site, seed: seed, inject)
            } catch {
                site.history.violated(.progress, "\(error)")
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

    private func runOnce(_ site: Site, seed: UInt64, _ inject: (Site) throws -> Void) throws {
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
            site.history.violated(.progress, "a client never received the end of its job")
        }
        let deadline = Deadline(20)
        while let job = unfed(site.history) {
            if deadline.isOver {
                site.history.violated(.resume, "the feed never contained all events of \(job)")
                break
            }
            poll(nil, 0, 20)
        }
        feeders.stop()
        #expect(feeders.wait(Deadline(30)), "the feed's reader has an end")
        try site.checker.checkAll(within: patience, using: &site.generator)
    }

    /// A job of which the feed has fewer events than its own follower.
    private func unfed(_ history: History) -> String? {
        let (whole, feed) = (history.whole, history.feed)
        return history.jobs.keys.first { (feed[$0] ?? 0) < (whole[$0] ?? .max) }
    }

    /// Runs a test without load: once, or in the long form until the time is over.
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

    /// The time of each fault.
    private static var seconds: Double { variable("LONGTAKE_SOAK_SECONDS").flatMap(Double.init) ?? 0 }

    /// Whether this is the long form.
    package static var isLong: Bool { variable("LONGTAKE_SOAK_SECONDS") != nil }

    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

/// SplitMix64 (Steele, Lea, Flood 2014). The same seed gives the same faults at the same points of
/// the plan.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }

    /// A separate generator for another thread.
    package mutating func split() -> SeededGenerator { SeededGenerator(seed: next()) }

    package mutating func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    /// Returns `true` with this probability in percent.
    package mutating func percent(_ share: Int) -> Bool { draw(0...99) < share }
}
