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
    private let log: LogWriter

    init(_ loaded: LoadedSettings) {
        self.loaded = loaded
        environment = ProcessEnvironment.all
        manager = ServiceManager(environment: environment)
        let (settings, clock) = (loaded.settings.log, clock)
        let isText = settings.format == .text || settings.format == .auto && StandardStreams.error.isTerminal
        let form = isText ? LineLogHandler.Form.text : .json
        let log = LogWriter(taking: StandardStreams.error.takes) {
            LineLogHandler.notice(dropped: $0, form: form, at: clock.now())
        }
        self.log = log
        logger = Logger(label: "longtake") { _ in
            LineLogHandler(form: form, level: settings.level, clock: clock, writer: log)
        }
    }

    /// Runs until a signal asks for the end, and returns when nothing of the daemon runs any more. Then the log's last lines are written.
    func run() async throws {
        do {
            try await serve()
        } catch {
            log.flush(within: DaemonStop.lastLines)
            throw error
        }
    }

    /// - Throws: `ExitCode` 1 after the reason is logged.
    private func serve() async throws {
        let (stops, stopAsked) = AsyncStream.makeStream(of: CInt.self)
        let logger = logger
        let (reloads, reload) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let signals = StopSignals(first: { number in stopAsked.yield(number) }, hangUp: { reload.yield() })
        defer { withExtendedLifetime(signals) {} }
        let settings = loaded.settings
        if !loaded.ignoredVariables.isEmpty {
            logger.notice(
                "ignored variables of Kubernetes Services; enableServiceLinks: false in the pod keeps them away",
                metadata: ["variables": "\(loaded.ignoredVariables.joined(separator: " "))"])
        }
        let descriptors = DescriptorLimit.raise()
        let journal = try await openJournal(settings)
        let backups = makeBackups(journal)
        let engine = makeEngine(journal)
        // Its own, so that the stop can shut them down. They have descriptors, which count from here on.
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)
        let (keeper, server): (KeyKeeper, HTTPServer)
        let addresses: [String]
        do {
            keeper = try loadKeys()
            server = try makeServer(loops, journal, engine, backups, keeper, descriptors)
            addresses = try await listen(server)
        } catch {
            // Otherwise the next start takes this end for a crash that has lost the write-ahead log.
            await close(journal)
            try? await loops.shutdownGracefully()
            throw error
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
        manager.notify("STOPPING=1", "STATUS=Draining")
        let stop = DaemonStop(
            plan: StopPlan(grace: .seconds(settings.shutdown.graceSeconds)), journal: journal, engine: engine,
            server: server, loops: loops, pruning: pruning, reloading: reloading, backups: backups, logger: logger,
            log: log)
        do {
            try await stop.run()
        } catch {
            logger.critical("the stop failed", metadata: ["error": "\(error)"])
            log.flush(within: DaemonStop.lastLines)
            // Returning from `main` would destroy what still runs.
            _exit(1)
        }
        signals.cancel()
    }

    private func openJournal(_ settings: Settings) async throws -> SQLiteJournal {
        let (logger, log) = (logger, log)
        let path = settings.storage.path
        let configuration = SQLiteConfiguration(queuedJobsPerTenant: settings.limits.queuedJobsPerTenant)
        do {
            return try await SQLiteJournal.open(
                directory: path, clock: clock, logger: logger, configuration: configuration
            ) { reason in
                // Whether the last commit happened is unknown, so nothing may be told any more: the next boot finds out.
                logger.critical("the disk failed", metadata: ["error": "\(reason)"])
                // Shorter than at a stop: until the end, readers may ask for what nobody knows.
                log.flush(within: .milliseconds(100))
                _exit(1)
            }
        } catch {
            throw failed("cannot open the database in \(path)", error, setting: "storage.path")
        }
    }

    /// Closes the database of a start that failed for another reason, which was logged.
    private func close(_ journal: SQLiteJournal) async {
        do {
            try await journal.close()
        } catch {
            logger.error("the database could not be closed", metadata: ["error": "\(error)"])
        }
    }

    private func listen(_ server: HTTPServer) async throws -> [String] {
        do {
            return try await server.start()
        } catch {
            throw failed("cannot listen", error, setting: error.subject.setting)
        }
    }

    private func makeEngine(_ journal: SQLiteJournal) -> Engine {
        let settings = loaded.settings
        let interval = Duration.milliseconds(settings.reports.intervalMilliseconds)
        return Engine(
            configuration: EngineConfiguration(
                workers: settings.workers, speed: settings.simulation.speed,
                reportInterval: interval),
            store: journal,
            runners: StageRunners([
                .simulated: SimulatedRunner(
                    speed: settings.simulation.speed, clock: ContinuousClock(), reportInterval: interval)
            ]),
            clock: ContinuousClock(), wallClock: journal.clock, logger: logger)
    }

    private func makePruner(_ journal: SQLiteJournal) -> Pruner {
        let storage = loaded.settings.storage
        let retention = Retention(
            age: storage.retentionHours > 0 ? .seconds(storage.retentionHours * 3600) : nil,
            maxBytes: storage.maxGigabytes > 0 ? Int64(storage.maxGigabytes * 1e9) : nil)
        return Pruner(
            journal: journal, retention: retention, clock: ContinuousClock(), wallClock: journal.clock, logger: logger)
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
            throw failed(
                "cannot read the keys", error,
                setting: settings.auth.keysFile.isEmpty ? "storage.path" : "auth.keys_file")
        }
        return keeper
    }

    private func makeServer(
        _ loops: MultiThreadedEventLoopGroup, _ journal: SQLiteJournal, _ engine: Engine, _ backups: SQLiteBackups,
        _ keeper: KeyKeeper, _ descriptors: Int
    ) throws -> HTTPServer {
        let settings = loaded.settings
        let room = DescriptorLimit.room(in: descriptors)
        var addresses = InheritedSockets.take(environment: environment).map { ListenAddress.inherited(descriptor: $0) }
        if addresses.isEmpty {
            addresses += settings.http.hosts.map { .tcp(host: $0, port: settings.http.port) }
            if let socket = try unixSocket(settings.http) { addresses.append(socket) }
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
                    hosts: settings.http.allowedHosts + settings.http.hosts,
                    publicURL: PublicURL(settings.http.publicURL),
                    trustedProxies: TrustedProxies(settings.http.trustedProxies) ?? .none,
                    corsOrigins: settings.http.corsOrigins),
                accessLog: settings.log.access,
                maxStreamsPerKey: settings.stream.maxStreamsPerKey, version: DaemonVersion.text,
                uptime: { .now - begin },
                random: {
                    var generator = SystemRandomNumberGenerator()
                    return generator.next()
                },
                releaseMemory: ProcessMemory.release,
                abandonedAttempts: { engine.abandonedAttempts },
                process: { [startedAt] in OwnProcess.usage(startedAt: startedAt) },
                droppedLogLines: { [log] in log.dropped }),
            group: loops, journal: journal, backups: backups, catalog: loaded.catalog, clock: journal.clock,
            logger: logger)
    }

    /// - Throws: `ExitCode` 78 if there is no group of that name.
    private func unixSocket(_ http: Settings.HTTP) throws -> ListenAddress? {
        guard !http.unixSocket.isEmpty, let mode = Settings.HTTP.permissions(http.unixSocketMode) else { return nil }
        guard !http.unixSocketGroup.isEmpty else { return .unix(path: http.unixSocket, mode: mode) }
        guard let group = GroupName.find(http.unixSocketGroup) else {
            let key = "http.unix_socket_group"
            logger.critical(
                "cannot listen",
                metadata: [
                    "error":
                        "This machine has no group \(http.unixSocketGroup). Create it, or name another one in \(key).",
                    "setting": "\(loaded.place(of: key))",
                ])
            throw ExitCode(SettingsMistake.exitStatus)
        }
        return .unix(path: http.unixSocket, mode: mode, group: group)
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
        let greeting = """

            Longtake \(DaemonVersion.text) is ready on \(address). Submit a job and watch it:

              curl -N \(address)/v1/jobs -H 'content-type: application/json' -H 'accept: text/event-stream' \\
                   -d '{"input":{"prompt":"a paper boat in the rain"}}'


            """
        // A terminal that is held (Ctrl-S) must not hold the daemon.
        DetachedThread.start { StandardStreams.write(greeting, to: .output) }
    }

    /// - Parameter setting: whose value does not work, to be told with the place where it was set.
    private func failed(_ what: String, _ error: any Error, setting: String? = nil) -> ExitCode {
        var metadata: Logger.Metadata = ["error": "\(error)"]
        if let setting { metadata["setting"] = "\(loaded.place(of: setting))" }
        logger.critical("\(what)", metadata: metadata)
        return ExitCode(1)
    }
}

extension ListenFailure.Subject {
    /// Its key; `nil` for what no setting decides.
    fileprivate var setting: String? {
        switch self {
        case .host: "http.host"
        case .port: "http.port"
        case .unixSocket: "http.unix_socket"
        case .unixSocketGroup: "http.unix_socket_group"
        case .inherited: nil
        }
    }
}
