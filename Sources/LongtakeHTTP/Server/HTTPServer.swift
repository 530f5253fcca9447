import Glibc
import Hummingbird
public import Logging
import LongtakeAPI
public import LongtakeCore
import LongtakeStream
import NIOCore
public import NIOPosix
import Synchronization

/// The HTTP server of the daemon: listeners, connections, routes and streams.
///
/// It shuts down in steps, so that the caller can shut down other parts in between:
/// ``beginDrain()``, ``finishStreams(within:)``, ``stop(within:)`` and, after the journal has
/// closed, ``finishTasks(within:)``.
public final class HTTPServer: Sendable {
    private let configuration: HTTPServerConfiguration
    private let group: MultiThreadedEventLoopGroup
    private let hub: StreamHub
    private let service: RequestService
    private let admission = Admission()
    private let access: AccessControl
    private let logger: Logger
    private let listeners = Mutex<[Listener.Opened]>([])
    /// All routes, for the test that compares them with the OpenAPI document.
    let entries: [RouteTable.Entry]

    /// - Parameter group: the event loops. Their owner shuts them down after
    ///   ``finishTasks(within:)``. The default group ends with the process.
    public init(
        configuration: HTTPServerConfiguration, group: MultiThreadedEventLoopGroup = .singleton, journal: any Journal,
        backups: any Backups, catalog: PipelineCatalog,
        clock: any WallClock, logger: Logger
    ) {
        self.configuration = configuration
        self.logger = logger
        self.group = group
        access = AccessControl(configuration.access, clock: clock, uptime: configuration.uptime)
        let (requests, commits, transfers) = (RequestCounts(), CommitCounts(), TransferCounts())
        // Registered before the hub, so that an event is counted before a client receives it.
        journal.tail(commits.count)
        let publicURL = configuration.access.publicURL
        let links = APILinks(base: publicURL?.description ?? "")
        hub = StreamHub(
            journal: journal, loops: group.makeIterator().map { $0 },
            configuration: StreamConfiguration(
                heartbeat: configuration.heartbeat, maxStreams: configuration.maxStreams,
                maxStreamsPerOwner: configuration.maxStreamsPerKey,
                isAuthorized: { [access] in access.isAllowed($0) }, maxAge: configuration.maxAge, links: links,
                disk: configuration.disk,
                random: configuration.random, releaseMemory: configuration.releaseMemory),
            logger: logger)
        var routes = RouteTable(router: Router(context: DaemonRequestContext.self), access: access)
        routes.router.add(middleware: ProblemMiddleware())
        let opener = StreamOpener(hub: hub)
        let actions = JobActionRoutes(
            journal: journal, catalog: catalog, clock: clock, admission: admission, random: configuration.random,
            disk: configuration.disk, links: links)
        actions.register(on: &routes)
        JobRoutes(
            journal: journal, catalog: catalog, clock: clock, opener: opener, hub: hub, access: access,
            admission: admission,
            random: configuration.random, disk: configuration.disk, links: links, delete: actions.delete
        ).register(on: &routes)
        QueueRoutes(journal: journal, workers: configuration.queues).register(on: &routes)
        EventRoutes(journal: journal, hub: hub, opener: opener).register(on: &routes)
        FeedRoutes(opener: opener).register(on: &routes)
        DiagnosticsRoutes(opener: opener, clock: clock).register(on: &routes)
        DaemonRoutes(
            journal: journal, catalog: catalog, admission: admission, version: configuration.version,
            disk: configuration.disk, warnings: configuration.warnings
        ).register(on: &routes)
        TicketRoutes(journal: journal, access: access).register(on: &routes)
        FileRoutes(
            records: journal, store: configuration.files,
            uploads: UploadRegister(configuration.uploadLimits, space: configuration.space, transfers: transfers),
            clock: clock, admission: admission, links: links
        ).register(on: &routes)
        ArtifactRoutes(journal: journal, store: configuration.files).register(on: &routes)
        LogRoutes(journal: journal, logs: configuration.stageLogs, opener: opener).register(on: &routes)
        BackupRoutes(backups: backups, admission: admission, links: links).register(on: &routes)
        DocumentRoutes(publicURL: publicURL).register(on: &routes)
        HomeRoutes(publicURL: publicURL).register(on: &routes)
        let connections = ConnectionRegister(
            limit: configuration.maxConnections, loops: group.makeIterator().map { $0 })
        MetricsRoutes(
            journal: journal, hub: hub, connections: connections, requests: requests, commits: commits,
            admission: admission, version: configuration.version, workers: configuration.queues,
            abandonedAttempts: configuration.abandonedAttempts, transfers: transfers,
            files: configuration.fileUsage, process: configuration.process,
            droppedLogLines: configuration.droppedLogLines
        ).register(on: &routes)
        entries = routes.entries
        service = RequestService(
            responder: routes.router.buildResponder(), hub: hub,
            connections: connections, requests: requests, transfers: transfers, uploads: routes.uploads,
            access: configuration.access, accessLog: configuration.accessLog,
            // If the daemon requires keys, all requests without a key share the budget of one key.
            budget: ResponseBudget(
                limitWithoutAccount: configuration.access.mode == .keys
                    ? HTTPLimits.unreadResponseBytesPerKey : HTTPLimits.unreadResponseBytes),
            clock: clock, random: configuration.random, logger: logger)
    }

    /// Ends the streams whose key or ticket is no longer valid. Called after the keys of
    /// ``HTTPServerConfiguration/access`` were replaced.
    public func keysChanged() {
        access.keysChanged()
        hub.endUnauthorizedStreams()
    }

    /// Opens the listeners. If several hosts have port 0, all of them get the same port.
    /// - Returns: the addresses for people, such as `http://127.0.0.1:8080`.
    /// - Throws: ``ListenFailure`` if an address cannot be bound. All listeners are closed then.
    public func start() async throws(ListenFailure) -> [String] {
        HTTPHandlers.prepare()
        var triesLeft = Self.portTries
        while true {
            do throws(ListenFailure) {
                return try await openListeners()
            } catch {
                await closeListeners()
                triesLeft -= 1
                guard error.subject == .port, error.code == EADDRINUSE, sharesFreePort, triesLeft > 0 else {
                    throw error
                }
            }
        }
    }

    /// How often the server tries to find a port that is free on all hosts.
    private static let portTries = 16

    /// Whether several hosts use the port that the system chooses for the first one.
    private var sharesFreePort: Bool {
        configuration.addresses.count { if case .tcp(_, 0) = $0 { true } else { false } } > 1
    }

    private func openListeners() async throws(ListenFailure) -> [String] {
        let listener = Listener(group: group, service: service, logger: logger)
        let hosts = configuration.addresses.count { if case .tcp = $0 { true } else { false } }
        var (bound, freePort) = ([String](), 0)
        for var address in configuration.addresses {
            if case .tcp(let host, 0) = address { address = .tcp(host: host, port: freePort) }
            let opened = try await listener.listen(
                on: address, besides: listeners.withLock { $0 }, isOneOfMany: hosts > 1)
            listeners.withLock { $0.append(opened) }
            let port = opened.channel.localAddress?.port
            if case .tcp(_, 0) = address { freePort = port ?? 0 }
            bound.append(address.described(port: port))
        }
        return bound
    }

    /// Starts the shutdown: `/readyz` and submissions respond with 503. Other requests still work.
    public func beginDrain() { admission.close() }

    /// Ends all streams within `deadline`, and tells their readers that the daemon shuts down.
    public func finishStreams(within deadline: Duration) async {
        let count = hub.openStreams
        await hub.drain(within: deadline)
        logger.info("streams ended", metadata: ["streams": "\(count)", "left": "\(hub.openStreams)"])
    }

    /// Closes the connections and then the listeners.
    /// - Parameter limit: how long to wait for running responses, at most one second.
    public func stop(within limit: Duration = .seconds(1)) async {
        service.connections.drain()
        await service.connections.emptied(within: min(Self.lastResponses, TimeAmount(limit)), on: group.any())
        await closeListeners()
        service.connections.closeAll()
    }

    /// Waits until the tasks of all requests and streams have ended, which may use an event loop.
    /// - Parameter timeout: how long to wait.
    /// - Returns: whether all tasks have ended, so that the event loops may be shut down.
    public func finishTasks(within timeout: Duration) async -> Bool {
        await hub.tasks.finished(within: timeout, on: group.any())
    }

    /// How long a shutdown waits for running responses.
    private static let lastResponses = TimeAmount.seconds(1)

    private func closeListeners() async {
        let opened = listeners.withLock { listeners in
            defer { listeners = [] }
            return listeners
        }
        for listener in opened {
            do {
                try await listener.close()
            } catch {
                logger.debug("listener is already closed", metadata: ["error": "\(error)"])
            }
        }
    }
}
