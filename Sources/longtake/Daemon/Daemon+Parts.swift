import ArgumentParser
import Glibc
import Logging
import LongtakeCommands
import LongtakeCore
import LongtakeEngine
import LongtakeFiles
import LongtakeHTTP
import LongtakeSQLite
import NIOCore
import NIOPosix

/// Makes the parts of the daemon and connects them. This is the only file that knows all modules.
extension Daemon {
    /// The parts of a running daemon.
    struct Parts: Sendable {
        let journal: SQLiteJournal
        let backups: SQLiteBackups
        let pruner: Pruner
        let engine: Engine
        let stages: StageParts
        let keys: ReloadableKeys
        let loops: MultiThreadedEventLoopGroup
        let server: HTTPServer
        /// The addresses on which the server listens.
        let addresses: [String]
        /// The maximum number of open descriptors.
        let descriptors: Int
    }

    /// Opens the database, loads the keys and starts to listen.
    /// - Throws: `ExitCode` after the reason is logged. The database is closed by then.
    func makeParts() async throws -> Parts {
        let descriptors = DescriptorLimit.raise()
        let journal = try await openJournal()
        // Not the shared group, because the shutdown has to stop it. Its descriptors are open from
        // here on, so that the connection limit takes them into account.
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)
        do {
            try checkCommands()
            let stages = try await openStages(journal)
            let backups = makeBackups(journal, stages)
            let engine = loaded.settings.makeEngine(
                journal, commands: stages.runner, disk: stages.disk, clock: journal.clock, logger: logger)
            let keys = try loadKeys()
            let server = try makeServer(loops, journal, engine, stages, backups, keys, descriptors)
            return Parts(
                journal: journal, backups: backups, pruner: makePruner(journal), engine: engine, stages: stages,
                keys: keys, loops: loops, server: server, addresses: try await listen(server), descriptors: descriptors)
        } catch {
            // Without this the next start would take this exit for a crash that lost the WAL.
            await close(journal)
            try? await loops.shutdownGracefully()
            throw error
        }
    }

    private func openJournal() async throws -> SQLiteJournal {
        let (logger, output, settings) = (logger, output, loaded.settings)
        let path = settings.storage.path
        let configuration = SQLiteConfiguration(
            queuedJobsPerTenant: settings.limits.queuedJobsPerTenant, workers: settings.workers)
        do {
            return try await SQLiteJournal.open(
                directory: path, clock: clock, logger: logger, configuration: configuration
            ) { reason in
                // The outcome of the last commit is unknown, so the daemon must not send any more
                // events. The next boot reads what is on the disk.
                logger.critical("the disk failed", metadata: ["error": "\(reason)"])
                // Shorter than in a shutdown, because clients may read uncertain data until the
                // exit.
                output.flush(within: .milliseconds(100))
                _exit(1)
            }
        } catch {
            throw failed("cannot open the database in \(path)", error, setting: "storage.path")
        }
    }

    /// Closes the database after another part failed to start. That failure is logged already.
    private func close(_ journal: SQLiteJournal) async {
        do {
            try await journal.close()
        } catch {
            logger.error("cannot close the database", metadata: ["error": "\(error)"])
        }
    }

    private func makeBackups(_ journal: SQLiteJournal, _ stages: StageParts) -> SQLiteBackups {
        let storage = loaded.settings.storage
        return SQLiteBackups(
            journal: journal, directory: storage.backupPath.isEmpty ? storage.path + "/backups" : storage.backupPath,
            content: stages.contentBackup, clock: clock, logger: logger)
    }

    /// Checks that the kernel can confine commands, if there are any and the settings require it.
    /// - Throws: `ExitCode` 78.
    private func checkCommands() throws {
        guard let command = loaded.catalog.firstCommand else { return }
        let (sandbox, support) = (loaded.settings.commands.sandbox, CommandSupport.probe())
        switch (sandbox, support.problem) {
        case (.off, _):
            logger.warning("commands run without confinement, because commands.sandbox is off")
        case (.optional, let problem?):
            logger.warning("commands run without confinement", metadata: ["reason": "\(problem)"])
        case (.required, let problem?):
            logger.critical(
                "cannot confine commands",
                metadata: [
                    "error":
                        "\(problem). Use a kernel with Landlock (5.13 or newer), or set commands.sandbox to optional.",
                    "stage": "\(command)", "setting": "\(loaded.source(of: "commands.sandbox"))",
                ])
            throw ExitCode(SettingsError.exitStatus)
        case (_, nil): break
        }
    }

    /// What `/readyz` says about the confinement of commands.
    private var commandWarnings: [String] {
        guard loaded.catalog.firstCommand != nil else { return [] }
        switch loaded.settings.commands.sandbox {
        case .off: return ["Commands run without confinement, because commands.sandbox is off."]
        case .optional where !CommandSupport.probe().canConfine:
            return ["Commands run without confinement, because the kernel has no usable Landlock."]
        case .optional, .required: return []
        }
    }

    private func openStages(_ journal: SQLiteJournal) async throws -> StageParts {
        let stages: StageParts
        do {
            stages = try await StageParts.open(
                loaded, rows: journal, clock: journal.clock, environment: environment, logger: logger)
        } catch {
            throw failed("cannot open the store of files", error, setting: "storage.path")
        }
        journal.observeUnusedContent { stages.cleaner.wake() }
        journal.observeWork { stages.runner.jobsEnded($0.ended) }
        await stages.endLeftovers()
        return stages
    }

    private func makePruner(_ journal: SQLiteJournal) -> Pruner {
        let storage = loaded.settings.storage
        let retention = Retention(
            age: storage.retentionHours > 0 ? .seconds(storage.retentionHours * 3600) : nil,
            maxBytes: storage.maxGigabytes > 0 ? Int64(storage.maxGigabytes * 1e9) : nil)
        return Pruner(
            journal: journal, retention: retention, clock: ContinuousClock(), wallClock: journal.clock, logger: logger)
    }

    private func loadKeys() throws -> ReloadableKeys {
        let settings = loaded.settings
        let keys = ReloadableKeys(path: settings.keysPath, mode: settings.auth.mode, clock: clock, logger: logger)
        do {
            try keys.load()
        } catch {
            throw failed(
                "cannot read the keys", error,
                setting: settings.auth.keysFile.isEmpty ? "storage.path" : "auth.keys_file")
        }
        return keys
    }

    private func makeServer(
        _ loops: MultiThreadedEventLoopGroup, _ journal: SQLiteJournal, _ engine: Engine, _ stages: StageParts,
        _ backups: SQLiteBackups, _ keys: ReloadableKeys, _ descriptors: Int
    ) throws -> HTTPServer {
        var configuration = loaded.settings.serverConfiguration(keys.keys, keys.tickets)
        let budget = DescriptorLimit.budget(in: descriptors)
        configuration.addresses = try listenAddresses()
        configuration.maxStreams = min(configuration.maxStreams, budget.streams)
        configuration.maxConnections = budget.connections
        configuration.releaseMemory = OwnProcess.releaseMemory
        configuration.abandonedAttempts = { engine.abandonedAttempts }
        configuration.process = { [startedAt] in OwnProcess.usage(startedAt: startedAt) }
        configuration.files = stages.store
        configuration.uploadLimits = UploadLimits(
            fileBytes: Int64(loaded.settings.limits.fileMegabytes) * 1_000_000,
            bytesPerTenant: loaded.settings.limits.fileGigabytesPerTenant.gigabytes)
        configuration.space = stages.space
        configuration.fileUsage = { stages.usage }
        configuration.disk = stages.disk
        configuration.warnings = commandWarnings
        configuration.stageLogs = StoredStageLogs(logs: stages.logs)
        configuration.droppedLogLines = { [output] in output.dropped }
        return HTTPServer(
            configuration: configuration, group: loops, journal: journal, backups: backups, catalog: loaded.catalog,
            clock: journal.clock, logger: logger)
    }

    /// The inherited sockets, or else the addresses in the settings.
    /// - Throws: `ExitCode` 78 if an inherited socket can be reached from other machines and no key
    ///   is required.
    private func listenAddresses() throws -> [ListenAddress] {
        let settings = loaded.settings
        var addresses = InheritedSockets.take(environment: environment).map { ListenAddress.inherited(descriptor: $0) }
        if addresses.isEmpty {
            addresses += settings.http.hosts.map { .tcp(host: $0, port: settings.http.port) }
            if let socket = try unixSocket(settings.http) { addresses.append(socket) }
        }
        guard settings.auth.mode == .keys || settings.auth.allowAnonymous || addresses.allSatisfy(\.isLoopback) else {
            logger.critical(
                "an inherited socket can be reached from other machines, but the daemon requires no API key; set auth.mode to keys, or use --allow-anonymous"
            )
            throw ExitCode(SettingsError.exitStatus)
        }
        return addresses
    }

    /// - Throws: `ExitCode` 78 if the group of the socket does not exist.
    private func unixSocket(_ http: Settings.HTTP) throws -> ListenAddress? {
        guard !http.unixSocket.isEmpty, let mode = Settings.HTTP.permissions(http.unixSocketMode) else { return nil }
        guard !http.unixSocketGroup.isEmpty else { return .unix(path: http.unixSocket, mode: mode) }
        guard let group = getgrnam(http.unixSocketGroup)?.pointee.gr_gid else {
            let key = "http.unix_socket_group"
            logger.critical(
                "cannot listen",
                metadata: [
                    "error":
                        "This machine has no group \(http.unixSocketGroup). Create it, or choose another group in \(key).",
                    "setting": "\(loaded.source(of: key))",
                ])
            throw ExitCode(SettingsError.exitStatus)
        }
        return .unix(path: http.unixSocket, mode: mode, group: group)
    }

    private func listen(_ server: HTTPServer) async throws -> [String] {
        do {
            return try await server.start()
        } catch {
            throw failed("cannot listen", error, setting: error.subject.setting)
        }
    }

    /// Logs why the daemon cannot start.
    /// - Parameter setting: the setting that caused the failure. The record says where it was set.
    private func failed(_ message: String, _ error: any Error, setting: String? = nil) -> ExitCode {
        var metadata: Logger.Metadata = ["error": "\(error)"]
        if let setting { metadata["setting"] = "\(loaded.source(of: setting))" }
        logger.critical("\(message)", metadata: metadata)
        return ExitCode(1)
    }
}

/// What the settings alone decide. Tests make the same parts on a store in memory.
extension Settings {
    /// Makes the engine with its runners.
    /// - Parameters:
    ///   - commands: the runner of command stages; `nil` if they cannot run here.
    ///   - disk: stops their claims.
    func makeEngine(
        _ store: any WorkStore, commands: (any StageRunner)? = nil, disk: DiskGate = .alwaysOpen, clock: any WallClock,
        logger: Logger
    ) -> Engine {
        let interval = Duration.milliseconds(reports.intervalMilliseconds)
        var runners: [Stage.Work.Kind: any StageRunner] = [
            .simulated: SimulatedRunner(speed: simulation.speed, clock: ContinuousClock(), reportInterval: interval)
        ]
        runners[.command] = commands
        return Engine(
            configuration: EngineConfiguration(
                workers: workers, speed: simulation.speed, reportInterval: interval, mayClaim: disk.mayClaim),
            store: store,
            runners: StageRunners(runners),
            clock: ContinuousClock(), wallClock: clock, logger: logger)
    }

    /// The configuration of the HTTP server without the part that depends on the process: its
    /// addresses, its descriptors and its measurements.
    func serverConfiguration(_ keys: KeyRing, _ tickets: TicketSigner) -> HTTPServerConfiguration {
        let begin = ContinuousClock.now
        return HTTPServerConfiguration(
            addresses: [], heartbeat: .seconds(stream.heartbeatSeconds), maxStreams: stream.maxStreams,
            queues: workers, maxAge: stream.maxAgeSeconds > 0 ? .seconds(stream.maxAgeSeconds) : nil,
            access: accessConfiguration(keys, tickets), accessLog: log.access,
            maxStreamsPerKey: stream.maxStreamsPerKey, version: DaemonVersion.text,
            uptime: { .now - begin },
            random: {
                var generator = SystemRandomNumberGenerator()
                return generator.next()
            })
    }

    private func accessConfiguration(_ keys: KeyRing, _ tickets: TicketSigner) -> AccessConfiguration {
        AccessConfiguration(
            mode: auth.mode, keys: keys, tickets: tickets,
            requestsPerSecondPerKey: limits.requestsPerSecondPerKey,
            hosts: http.allowedHosts + http.hosts,
            publicURL: PublicURL(http.publicURL),
            trustedProxies: TrustedProxies(http.trustedProxies) ?? .none,
            corsOrigins: http.corsOrigins)
    }
}

extension ListenFailure.Subject {
    /// The key of the setting; `nil` for an inherited socket.
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
