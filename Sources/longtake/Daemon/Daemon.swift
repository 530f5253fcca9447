import Glibc
import Logging
import LongtakeCommands
import LongtakeEngine
import LongtakeFiles
import LongtakeHTTP
import LongtakeSQLite

/// One boot of the daemon, from its settings to its exit status. `Daemon+Parts` makes and connects
/// its parts, and ``Shutdown`` stops them.
struct Daemon: Sendable {
    let loaded: LoadedSettings
    let clock = SystemClock()
    let startedAt = SystemClock().now()
    let environment: [String: String]
    let logger: Logger
    let output: LoggerOutput
    private let manager: ServiceManager

    init(_ loaded: LoadedSettings) {
        self.loaded = loaded
        environment = OwnProcess.environment
        manager = ServiceManager(environment: environment)
        let (settings, clock) = (loaded.settings.log, clock)
        let isText = settings.format == .text || settings.format == .auto && StandardStreams.error.isTerminal
        let form = isText ? LineLogHandler.Form.text : .json
        let output = LoggerOutput(writeText: StandardStreams.error.write) {
            LineLogHandler.notice(dropped: $0, form: form, at: clock.now())
        }
        self.output = output
        logger = Logger(label: "longtake") { _ in
            LineLogHandler(form: form, level: settings.level, clock: clock, output: output)
        }
    }

    /// Runs until a signal requests a shutdown. Returns when no part of the daemon runs any more
    /// and the last log lines are written.
    /// - Throws: `ExitCode` after the reason is logged.
    func run() async throws {
        do {
            try await serve()
        } catch {
            output.flush(within: Shutdown.flushLimit)
            throw error
        }
    }

    private func serve() async throws {
        let (stops, stop) = AsyncStream.makeStream(of: CInt.self)
        let (reloads, reload) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let signals = ProcessSignals(stop: { number in stop.yield(number) }, reload: { reload.yield() })
        defer { withExtendedLifetime(signals) {} }
        hideMemory()
        reportIgnoredVariables()
        let parts = try await makeParts()
        parts.engine.start()
        // Unstructured, because it runs beside everything else until the shutdown cancels it.
        let pruning = Task { await parts.pruner.run() }
        // Unstructured for the same reason.
        let cleaning = Task {
            async let count: Void = parts.stages.countContent()
            await parts.stages.removeLeftovers(of: parts.journal)
            await parts.stages.cleaner.run()
            await count
        }
        // Unstructured for the same reason.
        let reloading = Task {
            for await _ in reloads {
                await parts.keys.reload()
                parts.server.keysChanged()
            }
        }
        defer { reloading.cancel() }
        announce(parts)
        let watchdog = startWatchdog()
        for await number in stops {
            logger.info("stopping", metadata: ["signal": "\(number == SIGINT ? "SIGINT" : "SIGTERM")"])
            break
        }
        // The service manager expects watchdog messages until the process has exited.
        defer { watchdog?.cancel() }
        manager.notify("STOPPING=1", "STATUS=Draining")
        cleaning.cancel()
        await shutDown(parts, [pruning, cleaning], reloading)
        signals.cancel()
    }

    private func shutDown(
        _ parts: Parts, _ maintenance: [Task<Void, Never>], _ reloading: Task<Void, Never>
    ) async {
        let shutdown = Shutdown(
            plan: ShutdownPlan(grace: .seconds(loaded.settings.shutdown.graceSeconds)), journal: parts.journal,
            engine: parts.engine, commands: parts.stages.runner, server: parts.server, loops: parts.loops,
            maintenance: maintenance, reloading: reloading,
            backups: parts.backups, logger: logger, output: output)
        do {
            try await shutdown.run()
        } catch {
            logger.critical("shutdown failed", metadata: ["error": "\(error)"])
            output.flush(within: Shutdown.flushLimit)
            // Returning from `main` would destroy objects that running parts still use.
            _exit(1)
        }
    }

    /// Tells the service manager, the log output and a person at a terminal that the daemon is
    /// ready.
    private func announce(_ parts: Parts) {
        let addresses = parts.addresses
        manager.notify("READY=1", "STATUS=Serving on \(addresses.joined(separator: ", "))")
        logger.info(
            "ready",
            metadata: [
                "addresses": "\(addresses.joined(separator: " "))", "version": "\(DaemonVersion.text)",
                "epoch": "\(parts.journal.epoch)",
                "config": "\(loaded.file ?? "built-in")", "descriptors": "\(parts.descriptors)",
            ])
        warnAboutSettings()
        greet(addresses)
    }

    /// Commands that run without confinement have the daemon's user, so they could trace it.
    private func hideMemory() {
        guard !Undumpable.apply() else { return }
        logger.warning("other processes of this user may read the memory of the daemon")
    }

    private func reportIgnoredVariables() {
        guard !loaded.ignoredVariables.isEmpty else { return }
        logger.notice(
            "ignored variables of Kubernetes Services; set enableServiceLinks: false in the pod to remove them",
            metadata: ["variables": "\(loaded.ignoredVariables.joined(separator: " "))"])
    }

    /// Logs settings that are valid but rarely intended.
    private func warnAboutSettings() {
        let settings = loaded.settings
        if settings.auth.mode == .none, settings.auth.allowAnonymous {
            logger.warning("the daemon requires no API key; every client that can connect may do everything")
        }
        for queue in loaded.idleQueues {
            logger.warning(
                "a pipeline uses a queue without workers; its jobs will wait there", metadata: ["queue": "\(queue)"])
        }
    }

    /// Shows a person at a terminal how to submit a job.
    private func greet(_ addresses: [String]) {
        guard StandardStreams.output.isTerminal, let address = addresses.first(where: { $0.hasPrefix("http") }) else {
            return
        }
        let greeting = """

            Longtake \(DaemonVersion.text) is ready on \(address). Submit a job and watch it:

              curl -N \(address)/v1/jobs -H 'content-type: application/json' -H 'accept: text/event-stream' \\
                   -d '{"input":{"prompt":"a paper boat in the rain"}}'


            """
        // A terminal whose output is stopped (Ctrl-S) must not block the daemon.
        DetachedThread.start { StandardStreams.write(greeting, to: .output) }
    }

    /// Sends watchdog messages at half the interval. A task sends them, so they also show that
    /// tasks still run.
    private func startWatchdog() -> Task<Void, any Error>? {
        guard let interval = manager.watchdogInterval else { return nil }
        let manager = manager
        // Unstructured, because it runs beside everything else until the shutdown has ended.
        return Task {
            while true {
                manager.notify("WATCHDOG=1")
                try await ContinuousClock().sleep(for: interval / 2)
            }
        }
    }
}
