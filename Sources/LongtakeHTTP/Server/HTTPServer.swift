import Glibc
import Hummingbird
public import Logging
public import LongtakeCore
import LongtakeStream
import NIOCore
public import NIOPosix
import Synchronization

/// The daemon's HTTP side: listeners, connections, routes and streams.
///
/// It stops in steps, so that the caller can put the stop of other parts between them: ``beginDrain()``, ``finishStreams(within:)``,
/// ``stop(within:)``, and ``finishTasks(within:)`` when the journal is closed.
public final class HTTPServer: Sendable {
    private let configuration: HTTPServerConfiguration
    private let group: MultiThreadedEventLoopGroup
    private let hub: StreamHub
    private let service: RequestService
    private let admission = Admission()
    private let access: Access
    private let logger: Logger
    private let listeners = Mutex<[Listener.Opened]>([])
    /// What is served, for the test that the document tells all of it.
    let entries: [RouteTable.Entry]

    /// - Parameter group: the event loops. Their owner shuts them down, behind ``finishTasks(within:)``; those of the process end with it.
    public init(
        configuration: HTTPServerConfiguration, group: MultiThreadedEventLoopGroup = .singleton, journal: any Journal,
        backups: any Backups, catalog: PipelineCatalog,
        clock: any WallClock, logger: Logger
    ) {
        self.configuration = configuration
        self.logger = logger
        self.group = group
        access = Access(configuration.access, clock: clock, uptime: configuration.uptime)
        let (requests, commits) = (RequestCounts(), CommitCounts())
        // Before the hub: whoever has read an event finds it counted.
        journal.tail(commits.count)
        hub = StreamHub(
            journal: journal, loops: group.makeIterator().map { $0 },
            configuration: StreamConfiguration(
                heartbeat: configuration.heartbeat, maxStreams: configuration.maxStreams,
                maxStreamsPerOwner: configuration.maxStreamsPerKey,
                isLetIn: { [access] in access.isLetIn($0) }, maxAge: configuration.maxAge,
                random: configuration.random, releaseMemory: configuration.releaseMemory),
            logger: logger)
        var routes = RouteTable(router: Router(context: DaemonRequestContext.self), access: access)
        routes.router.add(middleware: ProblemMiddleware())
        let publicURL = configuration.access.publicURL
        let linkBase = publicURL?.description ?? ""
        let opener = StreamOpener(journal: journal, hub: hub, linkBase: linkBase)
        let actions = JobActionRoutes(
            journal: journal, catalog: catalog, clock: clock, admission: admission, random: configuration.random,
            linkBase: linkBase)
        actions.register(on: &routes)
        JobRoutes(
            journal: journal, catalog: catalog, clock: clock, opener: opener, hub: hub, access: access,
            admission: admission,
            random: configuration.random, linkBase: linkBase, delete: actions.delete
        ).register(on: &routes)
        QueueRoutes(journal: journal, workers: configuration.queues).register(on: &routes)
        EventRoutes(journal: journal, hub: hub, opener: opener).register(on: &routes)
        FeedRoutes(opener: opener).register(on: &routes)
        DiagnosticsRoutes(opener: opener, clock: clock).register(on: &routes)
        DaemonRoutes(journal: journal, catalog: catalog, admission: admission, version: configuration.version)
            .register(on: &routes)
        TicketRoutes(journal: journal, access: access).register(on: &routes)
        BackupRoutes(backups: backups, admission: admission, linkBase: linkBase).register(on: &routes)
        DocumentRoutes(publicURL: publicURL).register(on: &routes)
        HomeRoutes(publicURL: publicURL).register(on: &routes)
        let connections = ConnectionRegister(
            most: configuration.maxConnections, loops: group.makeIterator().map { $0 })
        MetricsRoutes(
            journal: journal, hub: hub, connections: connections, requests: requests, commits: commits,
            admission: admission, version: configuration.version, workers: configuration.queues,
            abandonedAttempts: configuration.abandonedAttempts, process: configuration.process,
            droppedLogLines: configuration.droppedLogLines
        ).register(on: &routes)
        entries = routes.entries
        service = RequestService(
            responder: routes.router.buildResponder(), hub: hub,
            connections: connections, requests: requests,
            access: configuration.access, accessLog: configuration.accessLog,
            // Where keys are asked for, those who have none get as much as one of them.
            room: AnswerRoom(
                mostOfNobody: configuration.access.mode == .keys ? Limits.answerBytesPerKey : Limits.answerBytes),
            clock: clock, random: configuration.random, logger: logger)
    }

    /// The keys of ``HTTPServerConfiguration/access`` were replaced: streams that were opened with one that is gone end.
    public func keysChanged() {
        access.keysChanged()
        hub.endStreamsOfOthers()
    }

    /// Opens the listeners. If several hosts have port 0, all of them get the same port.
    /// - Returns: where they listen, as a person would write it, such as `http://127.0.0.1:8080`.
    /// - Throws: why an address cannot be bound. Then none is left open.
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

    /// How often a port is drawn that is free on the first host and may be taken on another.
    private static let portTries = 16

    /// Whether the second host gets the port that the system chose for the first.
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

    /// `readyz` turns red and submissions are refused; what can be answered at once still is.
    public func beginDrain() { admission.close() }

    /// Tells every reader that the daemon stops, and ends all streams within `deadline`.
    public func finishStreams(within deadline: Duration) async {
        let count = hub.openStreams
        await hub.drain(within: deadline)
        logger.info("streams ended", metadata: ["streams": "\(count)", "left": "\(hub.openStreams)"])
    }

    /// Closes the connections and, last, the listeners.
    /// - Parameter limit: how long it waits for the answers that are under way, a second at the most.
    public func stop(within limit: Duration = .seconds(1)) async {
        service.connections.drain()
        await service.connections.emptied(within: min(Self.lastAnswers, TimeAmount(limit)), on: group.any())
        await closeListeners()
        service.connections.closeAll()
    }

    /// Waits until no request and no stream runs any more that could use an event loop.
    /// - Parameter patience: how long it waits at the most.
    /// - Returns: whether the loops may be shut down.
    public func finishTasks(within patience: Duration) async -> Bool {
        await hub.tasks.finished(within: patience, on: group.any())
    }

    /// How long a stop waits for the answers that are under way.
    private static let lastAnswers = TimeAmount.seconds(1)

    private func closeListeners() async {
        let opened = listeners.withLock { listeners in
            defer { listeners = [] }
            return listeners
        }
        for listener in opened {
            do {
                try await listener.close()
            } catch {
                logger.debug("listener was closed already", metadata: ["error": "\(error)"])
            }
        }
    }
}
