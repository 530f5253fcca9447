import Glibc
import NIOCore
import NIOPosix

/// The watchers of a measurement, seen from outside of their event loop.
///
/// All are on one loop, so that the driver costs the same whatever it measures. They come from several addresses of the loopback
/// network, since one has less than 30,000 ports.
final class WatcherGroup: Sendable {
    private let board: NIOLoopBound<WatcherBoard>

    /// The loop of all watchers.
    static let loop: any EventLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1).next()

    private init() {
        board = NIOLoopBound(WatcherBoard(), eventLoop: Self.loop)
    }

    static func make() async throws -> WatcherGroup {
        try await loop.submit { WatcherGroup() }.get()
    }

    /// Looks at the board, or tells it something.
    func read<Value: Sendable>(_ look: @escaping @Sendable (WatcherBoard) -> Value) async throws -> Value {
        let board = board
        return try await Self.loop.submit { look(board.value) }.get()
    }

    /// Tells the board something, from the loop itself.
    func onLoop(_ tell: (WatcherBoard) -> Void) { tell(board.value) }

    /// Gives the loop's thread precedence over whatever else wants a processor.
    static func goFirst() async throws {
        try await loop.submit {
            // Of the calling thread, on Linux (setpriority(2), “C library/kernel differences”).
            guard setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, -15) == 0 else {
                throw BenchFailure("no precedence for the thread that reads: \(String(cString: strerror(errno)))")
            }
        }.get()
    }

    // MARK: Opening and closing

    /// Opens a stream for each plan.
    /// - Parameter spread: the begins are spread evenly over so many seconds; by default as fast as the server accepts.
    func open(_ plans: [WatchPlan], port: Int, within seconds: Double = 60, over spread: Double = 0) async throws {
        try DescriptorRoom.check(sockets: plans.count)
        let server = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        let opened = Self.loop.makePromise(of: Void.self)
        let expiry = Self.loop.scheduleTask(in: .milliseconds(Int64((seconds + spread) * 1000))) {
            opened.fail(BenchFailure("\(plans.count) watchers could not connect within \(seconds + spread) s"))
        }
        try await read { board in
            WatcherOpening(
                plans, at: server, on: board, loop: Self.loop, spread: .seconds(spread), opened: opened
            ).goOn()
        }
        try await opened.futureResult.get()
        expiry.cancel()
    }

    /// Waits until something holds of the board.
    /// - Throws: after `seconds`, and when a stream broke.
    func wait(
        _ seconds: Double, for what: String, until holds: @escaping @Sendable (WatcherBoard) -> Bool
    ) async throws {
        let deadline = Deadline(seconds)
        while true {
            let (isThere, failure) = try await read { (holds($0), $0.delivery.failures.first) }
            if let failure { throw BenchFailure("\(what): \(failure)") }
            if isThere { return }
            guard !deadline.isOver else { throw BenchFailure("\(what): not within \(seconds) s") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func close(within seconds: Double = 30) async throws {
        try await read { $0.closeAll() }
        let deadline = Deadline(seconds)
        while try await read({ $0.open }) > 0 {
            guard !deadline.isOver else { throw BenchFailure("the watchers could not be closed within \(seconds) s") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    // MARK: Measuring

    /// Waits until every watcher has had its hello and, from then on, two events more of its job.
    func awaitWarm(within seconds: Double) async throws {
        try await wait(seconds, for: "the first words of all streams") { $0.greeted == $0.watchers.count }
        let heads = try await read { $0.heads.map { $0 + 2 } }
        try await wait(seconds, for: "two events of all jobs") { $0.behind(heads) == 0 }
    }

    /// Measures for `seconds` what arrives, and what the servers used meanwhile.
    func measure(
        _ seconds: Double, _ meter: ProcessMeter, eachSecond: @Sendable () -> Void = {}
    ) async throws -> (delivery: Delivery, usage: ProcessMeter.Usage) {
        let before = meter.read()
        try await read { $0.beginWindow() }
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            try await Task.sleep(for: min(.seconds(1), end - .now))
            eachSecond()
        }
        let delivery = try await read { $0.endWindow() }
        return (delivery, meter.usage(since: before))
    }

    /// Waits until every watcher has what the most advanced one of its job has now: whoever does not get there has lost something.
    func awaitAll(within seconds: Double) async throws {
        let heads = try await read { $0.heads }
        try await wait(seconds, for: "the last events of all watchers") { $0.behind(heads) == 0 }
    }
}

/// Opens many streams at a bounded rate. Lives on the watchers' loop.
final class WatcherOpening {
    private let plans: [WatchPlan]
    private let server: SocketAddress
    private let board: WatcherBoard
    private let loop: any EventLoop
    private let spread: Duration
    private let opened: EventLoopPromise<Void>
    private let began = ContinuousClock.now
    private var next = 0
    private var underWay = 0
    private var returns = 0

    private static let watchersPerAddress = 4_000
    /// Connections under way at once: below the backlog that any server has.
    private static let atOnce = 256
    /// Small, so that a watcher costs the driver little; an event is some 300 bytes.
    private static let readBytes = 4_096

    /// - Parameter spread: the begins are spread evenly over this time.
    init(
        _ plans: [WatchPlan], at server: SocketAddress, on board: WatcherBoard, loop: any EventLoop, spread: Duration,
        opened: EventLoopPromise<Void>
    ) {
        self.plans = plans
        self.server = server
        self.board = board
        self.loop = loop
        self.spread = spread
        self.opened = opened
    }

    func goOn() {
        board.comeAgain = { [self] watcher in comeAgain(watcher) }
        while next < plans.count, underWay < Self.atOnce {
            let wait = spread * next / plans.count - (ContinuousClock.now - began)
            guard wait <= .zero else { return goOn(in: .milliseconds(1)) }
            underWay += 1
            next += 1
            connect(board.add(plans[next - 1]), number: next - 1) { self.connected($0) }
        }
        if next == plans.count, underWay == 0 { opened.succeed() }
    }

    private func goOn(in delay: TimeAmount) {
        let opening = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: delay) { opening.value.goOn() }
    }

    private func comeAgain(_ watcher: Watcher) {
        returns += 1
        // Half a second to one and a half, so that they do not all come at once again.
        let again = NIOLoopBound((opening: self, watcher: watcher, number: returns), eventLoop: loop)
        loop.scheduleTask(in: .milliseconds(Int64(500 + returns * 37 % 1_000))) {
            let (opening, watcher, number) = again.value
            guard !opening.board.isClosing else { return }
            opening.connect(watcher, number: number) { result in
                if case .failure(let error) = result {
                    opening.board.failed("a watcher could not connect again: \(error)")
                }
            }
        }
    }

    private func connect(
        _ watcher: Watcher, number: Int, then report: @escaping (Result<any Channel, any Error>) -> Void
    ) {
        let handler = NIOLoopBound(watcher, eventLoop: loop)
        let report = NIOLoopBound(report, eventLoop: loop)
        let address = "127.0.0.\(2 + number / Self.watchersPerAddress % 200)"
        do {
            ClientBootstrap(group: loop)
                .bind(to: try SocketAddress(ipAddress: address, port: 0))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Self.readBytes))
                .connectTimeout(.seconds(30))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(handler.value)
                    }
                }
                .connect(to: server)
                .whenComplete { result in report.value(result) }
        } catch {
            report.value(.failure(error))
        }
    }

    private func connected(_ result: Result<any Channel, any Error>) {
        underWay -= 1
        if case .failure(let error) = result {
            next = plans.count
            opened.fail(BenchFailure("a watcher could not connect: \(error)"))
        }
        // The next one in a turn of its own, so that a connection that is there at once builds no stack.
        goOn(in: .zero)
    }
}

/// The number of sockets that this process may have open (setrlimit(2)).
enum DescriptorRoom {
    /// Raises the limit to what the system allows; children inherit it.
    @discardableResult
    static func raise() -> Int {
        var limit = rlimit()
        let resource = __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue))
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        guard setrlimit(resource, &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// - Throws: where `sockets` and a reserve for all else would not fit.
    static func check(sockets: Int) throws {
        let most = raise() - 256
        guard sockets <= most else {
            throw BenchFailure(
                "\(sockets) connections need more descriptors than this process may have (\(most + 256))")
        }
    }
}
