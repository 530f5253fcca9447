import ArgumentParser
import Glibc
import Logging
import LongtakeCore
import LongtakeEngine
import LongtakeHTTP
import LongtakeSQLite
import NIOCore
import NIOPosix

/// One boot of the daemon, from its settings to its exit status: the only place where the parts are wired together.
struct Daemon: Sendable {
    private let loaded: LoadedSettings
    private let clock = SystemClock()
    private let startedAt = SystemClock().now()
    private let environment: [String: String]
    private let manager: ServiceManager
    private let logger: Logger

    init(_ loaded: LoadedSettings) {
        self.loaded = loaded
        environment = ProcessEnvironment.all
        manager = ServiceManager(environment: environment)
        let (log, clock) = (loaded.settings.log, clock)
        let isText = log.format == .text || log.format == .auto && StandardStreams.error.isTerminal
        logger = Logger(label: "longtake") { _ in
            LineLogHandler(form: isText ? .text : .json, level: log.level, clock: clock)
        }
    }

    /// Runs until a signal asks for the end, and does not return from an orderly stop.
    /// - Throws: `ExitCode` 1 after the reason is logged.
    func run() async throws {
        let (stops, stop) = AsyncStream.makeStream(of: CInt.self)
        let logger = logger
        let (reloads, reload) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let signals = StopSignals(first: { number in stop.yield(number) }, hangUp: { reload.yield() })
        defer { withExtendedLifetime(signals) {} }
        let settings = loaded.settings
        let descriptors = DescriptorLimit.raise()
        let journal = try await openJournal(settings)
        let backups = makeBackups(journal)
        let engine = makeEngine(journal)
        let keeper = try loadKeys()
        let server = try makeServer(journal, engine, backups, keeper, descriptors)
        let addresses: [String]
        do {
            addresses = try await server.start()
        } catch {
            throw failed("cannot listen on \(settings.http.host):\(settings.http.port)", error)
        }
        engine.start()
        let pruner = makePruner(journal)
        // Unstructured, since it runs beside everything until the drain cancels it.
        let pruning = Task { await pruner.run() }
        // The same, until the process ends.
        let reloading = Task {
            for await _ in reloads {
                await keeper.reload()
                server.keysChanged()
            }
        }
        defer { reloading.cancel() }
        manager.notify("READY=1", "STATUS=Serving on \(addresses.joined(separator: ", "))")
        logger.info(
            "ready",
            metadata: [
                "addresses": "\(addresses.joined(separator: " "))", "version": "\(DaemonVersion.text)",
                "epoch": "\(journal.epoch)",
                "config": "\(loaded.file ?? "built-in")", "descriptors": "\(descriptors)",
            ])
        warn()
        greet(addresses)
        let watchdog = startWatchdog()
        for await number in stops {
            logger.info("stopping", metadata: ["signal": "\(number == SIGINT ? "SIGINT" : "SIGTERM")"])
            break
        }
        // The manager expects signs of life until the process is gone, so the drain is under its watch too.
        defer { watchdog?.cancel() }
        try await drain(journal, engine, server, pruning, backups)
        // All is closed and on the disk. Threads of libraries may still run, and what would be taken apart behind them, here and in exit(3), is
        // theirs to use: one stop of some thousand ended in a segmentation fault after its last word.
        _exit(0)
    }

    /// The order of the stop: nothing new, work put back and journaled, streams ended, connections closed, database closed.
    private func drain(
        _ journal: SQLiteJournal, _ engine: Engine, _ server: HTTPServer, _ pruning: Task<Void, Never>,
        _ backups: SQLiteBackups
    ) async throws {
        let grace = Duration.seconds(loaded.settings.shutdown.graceSeconds)
        manager.notify("STOPPING=1", "STATUS=Draining")
        startLastResort(after: grace)
        server.beginDrain()
        pruning.cancel()
        await engine.drain(deadline: grace * 3 / 10)
        await server.finishStreams(within: min(Limits.drainSpread, grace / 2))
        await server.stop()
        await pruning.value
        await backups.stop()
        do {
            try await journal.close()
        } catch {
            throw failed("the database could not be closed", error)
        }
        logger.info("stopped")
    }

    /// A stop that hangs is worse than a crash, from which the next boot recovers: it ends when the grace is over.
    private func startLastResort(after grace: Duration) {
        let logger = logger
        // Unstructured, since it has to run while the stop that it watches does not come back.
        Task.detached {
            try await ContinuousClock().sleep(for: grace)
            logger.critical(
                "the stop took longer than shutdown.grace_seconds; what was running is recovered at the next start")
            _exit(1)
        }
    }

    private func openJournal(_ settings: Settings) async throws -> SQLiteJournal {
        let logger = logger
        let path = settings.storage.path
        let configuration = SQLiteConfiguration(queuedJobsPerTenant: settings.limits.queuedJobsPerTenant)
        do {
            return try await SQLiteJournal.open(
                directory: path, clock: clock, logger: logger, configuration: configuration
            ) { reason in
                // Whether the last commit happened is unknown, so nothing may be told any more: the next boot finds out.
                logger.critical("the disk failed", metadata: ["error": "\(reason)"])
                _exit(1)
            }
        } catch {
            throw failed("cannot open the database in \(path)", error)
        }
    }

    private func makeEngine(_ journal: SQLiteJournal) -> Engine {
        let settings = loaded.settings
        let interval = Duration.milliseconds(settings.reports.intervalMilliseconds)
        return Engine(
            configuration: EngineConfiguration(
                workers: settings.workers, speed: settings.simulation.speed,
                reportInterval: interval),
            journal: journal,
            runner: SimulatedRunner(
                speed: settings.simulation.speed, clock: ContinuousClock(), reportInterval: interval),
            clock: ContinuousClock(), wallClock: clock, logger: logger)
    }

    private func makePruner(_ journal: SQLiteJournal) -> Pruner {
        let storage = loaded.settings.storage
        let retention = Retention(
            age: storage.retentionHours > 0 ? .seconds(storage.retentionHours * 3600) : nil,
            maxBytes: storage.maxGigabytes > 0 ? Int64(storage.maxGigabytes * 1e9) : nil)
        return Pruner(
            journal: journal, retention: retention, clock: ContinuousClock(), wallClock: clock, logger: logger)
    }

    private func makeBackups(_ journal: SQLiteJournal) -> SQLiteBackups {
        let storage = loaded.settings.storage
        return SQLiteBackups(
            journal: journal, directory: storage.backupPath.isEmpty ? storage.path + "/backups" : storage.backupPath,
            clock: clock, logger: logger)
    }

    private func loadKeys() throws -> KeyKeeper {
        let settings = loaded.settings
        let keeper = KeyKeeper(path: settings.keysPath, mode: settings.auth.mode, clock: clock, logger: logger)
        do {
            try keeper.load()
        } catch {
            throw failed("cannot read the keys", error)
        }
        return keeper
    }

    private func makeServer(
        _ journal: SQLiteJournal, _ engine: Engine, _ backups: SQLiteBackups, _ keeper: KeyKeeper, _ descriptors: Int
    ) throws -> HTTPServer {
        let settings = loaded.settings
        // The event loops start with the first look at them, and their descriptors count.
        _ = MultiThreadedEventLoopGroup.singleton.next()
        let room = DescriptorLimit.room(in: descriptors)
        var addresses = InheritedSockets.take(environment: environment).map { ListenAddress.inherited(descriptor: $0) }
        if addresses.isEmpty {
            addresses.append(.tcp(host: settings.http.host, port: settings.http.port))
            if !settings.http.unixSocket.isEmpty { addresses.append(.unix(path: settings.http.unixSocket)) }
        }
        guard settings.auth.mode == .keys || settings.auth.allowAnonymous || addresses.allSatisfy(\.isLoopback) else {
            logger.critical(
                "a socket that was handed over can be reached from other machines, and nobody is asked for a key: set auth.mode to keys, or say --allow-anonymous"
            )
            throw ExitCode(SettingsMistake.exitStatus)
        }
        let maxAge = settings.stream.maxAgeSeconds
        let begin = ContinuousClock.now
        return HTTPServer(
            configuration: HTTPServerConfiguration(
                addresses: addresses, heartbeat: .seconds(settings.stream.heartbeatSeconds),
                maxStreams: min(settings.stream.maxStreams, room.streams),
                maxConnections: room.connections,
                queues: settings.workers, maxAge: maxAge > 0 ? .seconds(maxAge) : nil,
                access: AccessConfiguration(
                    mode: settings.auth.mode, keys: keeper.keys, tickets: keeper.tickets,
                    requestsPerSecondPerKey: settings.limits.requestsPerSecondPerKey,
                    hosts: settings.http.allowedHosts + [settings.http.host], corsOrigins: settings.http.corsOrigins),
                maxStreamsPerKey: settings.stream.maxStreamsPerKey, version: DaemonVersion.text,
                uptime: { .now - begin },
                random: {
                    var generator = SystemRandomNumberGenerator()
                    return generator.next()
                },
                releaseMemory: ProcessMemory.release,
                abandonedAttempts: { engine.abandonedAttempts },
                process: { [startedAt] in OwnProcess.usage(startedAt: startedAt) }),
            journal: journal, backups: backups, catalog: loaded.catalog, clock: clock, logger: logger)
    }

    /// Says at half the interval that the daemon lives, from a task: so it also says that tasks still run.
    private func startWatchdog() -> Task<Void, any Error>? {
        guard let interval = manager.watchdogInterval else { return nil }
        let manager = manager
        // Unstructured, since it runs beside everything until the stop cancels it.
        return Task {
            while true {
                manager.notify("WATCHDOG=1")
                try await ContinuousClock().sleep(for: interval / 2)
            }
        }
    }

    /// Tells the operator what is allowed but seldom meant.
    private func warn() {
        let settings = loaded.settings
        if settings.auth.mode == .none, settings.auth.allowAnonymous {
            logger.warning("nobody is asked for a key: whoever reaches the daemon may do everything")
        }
        for queue in loaded.idleQueues {
            logger.warning(
                "a pipeline uses a queue without workers; its jobs will wait there", metadata: ["queue": "\(queue)"])
        }
    }

    /// Tells a person at a terminal what to do next.
    private func greet(_ addresses: [String]) {
        guard StandardStreams.output.isTerminal, let address = addresses.first(where: { $0.hasPrefix("http") }) else {
            return
        }
        StandardStreams.write(
            """

            Longtake \(DaemonVersion.text) is ready on \(address). Submit a job and watch it:

              curl -N \(address)/v1/jobs -H 'content-type: application/json' -H 'accept: text/event-stream' \\
                   -d '{"input":{"prompt":"a paper boat in the rain"}}'


            """, to: .output)
    }

    private func failed(_ what: String, _ error: any Error) -> ExitCode {
        logger.critical("\(what)", metadata: ["error": "\(error)"])
        return ExitCode(1)
    }
}
