import Hummingbird
public import Logging
public import LongtakeCore
import LongtakeStream
import NIOCore
import NIOPosix
import Synchronization

/// The daemon's HTTP side: listeners, connections, routes and streams.
///
/// It stops in four steps, so that the caller can put the engine's stop between them: ``beginDrain()``, ``finishStreams(within:)``,
/// ``stop()``.
public final class HTTPServer: Sendable {
    private let configuration: HTTPServerConfiguration
    private let group: MultiThreadedEventLoopGroup
    private let hub: StreamHub
    private let service: RequestService
    private let admission = Admission()
    private let access: Access
    private let logger: Logger
    private let listeners = Mutex<[any Channel]>([])
    /// What is served, for the test that the document tells all of it.
    let entries: [RouteTable.Entry]

    public init(
        configuration: HTTPServerConfiguration, journal: any Journal, backups: any Backups, catalog: PipelineCatalog,
        clock: any WallClock, logger: Logger
    ) {
        self.configuration = configuration
        self.logger = logger
        group = .singleton
        access = Access(configuration.access, clock: clock, uptime: configuration.uptime)
        let (requests, commits) = (RequestCounts(), CommitCounts())
        // Before the hub: whoever has read an event finds it counted.
        journal.observeCommits(commits.count)
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
        let opener = StreamOpener(journal: journal, hub: hub)
        let actions = JobActionRoutes(
            journal: journal, catalog: catalog, clock: clock, admission: admission, random: configuration.random)
        actions.register(on: &routes)
        JobRoutes(
            journal: journal, catalog: catalog, clock: clock, opener: opener, hub: hub, access: access,
            admission: admission,
            random: configuration.random, delete: actions.delete
        ).register(on: &routes)
        QueueRoutes(journal: journal, workers: configuration.queues).register(on: &routes)
        EventRoutes(journal: journal, hub: hub, opener: opener).register(on: &routes)
        FeedRoutes(opener: opener).register(on: &routes)
        DiagnosticsRoutes(opener: opener, clock: clock).register(on: &routes)
        DaemonRoutes(journal: journal, catalog: catalog, admission: admission, version: configuration.version)
            .register(on: &routes)
        TicketRoutes(journal: journal, access: access).register(on: &routes)
        BackupRoutes(backups: backups, admission: admission).register(on: &routes)
        DocumentRoutes().register(on: &routes)
        HomeRoutes().register(on: &routes)
        let connections = ConnectionRegister(
            most: configuration.maxConnections, loops: group.makeIterator().map { $0 })
        MetricsRoutes(
            journal: journal, hub: hub, connections: connections, requests: requests, commits: commits,
            admission: admission, version: configuration.version, workers: configuration.queues,
            abandonedAttempts: configuration.abandonedAttempts, process: configuration.process
        ).register(on: &routes)
        entries = routes.entries
        service = RequestService(
            responder: routes.router.buildResponder(), hub: hub,
            connections: connections, requests: requests,
            origins: OriginPolicy(configuration.access),
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

    /// Opens the listeners.
    /// - Returns: where they listen, as a person would write it, such as `http://127.0.0.1:8080`.
    /// - Throws: what the system says when an address cannot be bound. Then none is left open.
    public func start() async throws -> [String] {
        let listener = Listener(group: group, service: service, logger: logger)
        var bound: [String] = []
        do {
            for address in configuration.addresses {
                let channel = try await listener.listen(on: address)
                listeners.withLock { $0.append(channel) }
                bound.append(address.described(by: channel))
            }
        } catch {
            await closeListeners()
            throw error
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
    public func stop() async {
        service.connections.drain()
        await service.connections.emptied(within: Self.lastAnswers, on: group.any())
        await closeListeners()
        service.connections.closeAll()
    }

    /// How long a stop waits for the answers that are under way.
    private static let lastAnswers = TimeAmount.seconds(1)

    private func closeListeners() async {
        let channels = listeners.withLock { listeners in
            defer { listeners = [] }
            return listeners
        }
        for channel in channels {
            do {
                try await channel.close()
            } catch {
                logger.debug("listener was closed already", metadata: ["error": "\(error)"])
            }
        }
    }
}

extension ListenAddress {
    fileprivate func described(by channel: any Channel) -> String {
        switch self {
        case .tcp(let host, let port):
            let name = host.contains(":") ? "[\(host)]" : host
            return "http://\(name):\(channel.localAddress?.port ?? port)"
        case .unix(let path):
            return "unix:\(path)"
        case .inherited(let descriptor):
            return channel.localAddress.map { "inherited:\($0)" } ?? "inherited:\(descriptor)"
        }
    }
}
