import Glibc
import NIOCore
import NIOPosix

/// The watchers of a measurement. Its functions can be called from any task.
///
/// All watchers use one event loop, so that the driver costs the same in every measurement. They
/// use several addresses of the loopback network, because one address has fewer than 30,000 ports.
final class WatcherGroup: Sendable {
    private let recorder: NIOLoopBound<DeliveryRecorder>

    /// The event loop of all watchers.
    static let loop: any EventLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1).next()

    private init() {
        recorder = NIOLoopBound(DeliveryRecorder(), eventLoop: Self.loop)
    }

    static func make() async throws -> WatcherGroup {
        try await loop.submit { WatcherGroup() }.get()
    }

    /// Reads or changes the recorder on the event loop.
    func withRecorder<Value: Sendable>(_ body: @escaping @Sendable (DeliveryRecorder) -> Value) async throws -> Value {
        let recorder = recorder
        return try await Self.loop.submit { body(recorder.value) }.get()
    }

    /// Changes the recorder. The caller must be on the event loop.
    func update(_ body: (DeliveryRecorder) -> Void) { body(recorder.value) }

    /// Gives the thread of the event loop a higher priority than other threads.
    static func raisePriority() async throws {
        try await loop.submit {
            // On Linux this affects the calling thread only (setpriority(2), “C library/kernel
            // differences”).
            guard setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, -15) == 0 else {
                throw BenchFailure(
                    "cannot raise the priority of the reading thread: \(String(cString: strerror(errno)))")
            }
        }.get()
    }

    // MARK: Opening and closing

    /// Opens a stream for each request.
    /// - Parameter rampUp: the connections begin evenly over this time in seconds; with 0 as fast
    ///   as the server accepts them.
    func open(
        _ requests: [StreamRequest], port: Int, within seconds: Double = 60, over rampUp: Double = 0
    ) async throws {
        try DescriptorLimit.check(sockets: requests.count)
        let server = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        let opened = Self.loop.makePromise(of: Void.self)
        let expiry = Self.loop.scheduleTask(in: .milliseconds(Int64((seconds + rampUp) * 1000))) {
            let limit = seconds + rampUp
            opened.fail(BenchFailure("not all of the \(requests.count) watchers connected within \(limit) s"))
        }
        try await withRecorder { recorder in
            WatcherConnector(
                requests, at: server, recorder: recorder, loop: Self.loop, rampUp: .seconds(rampUp), opened: opened
            ).connectMore()
        }
        try await opened.futureResult.get()
        expiry.cancel()
    }

    /// Waits until a condition holds. Only one task may wait at a time.
    /// - Throws: an error if a stream has failed, or after `seconds`.
    func wait(
        _ seconds: Double, for what: String, until isMet: @escaping @Sendable (DeliveryRecorder) -> Bool
    ) async throws {
        let failure = BenchFailure("waiting for \(what): not within \(seconds) s")
        try await wait(seconds, orThrow: failure) { recorder in
            if let failure = recorder.delivery.failures.first {
                throw BenchFailure("waiting for \(what): \(failure)")
            }
            return isMet(recorder)
        }
    }

    private func wait(
        _ seconds: Double, orThrow failure: BenchFailure,
        until isMet: @escaping @Sendable (DeliveryRecorder) throws -> Bool
    ) async throws {
        let recorder = recorder
        let time = TimeAmount.milliseconds(Int64(seconds * 1000))
        try await Self.loop.flatSubmit {
            RecorderCondition(recorder.value, on: Self.loop, isMet).wait(time, orFailWith: failure)
        }.get()
    }

    /// Closes all streams, and waits until their connections are closed.
    func close(within seconds: Double = 30) async throws {
        try await withRecorder { $0.closeAll() }
        try await wait(seconds, orThrow: BenchFailure("the watchers did not close within \(seconds) s")) { recorder in
            recorder.openCount == 0
        }
    }

    // MARK: Measuring

    /// Waits until every watcher has received the first block of its stream, and then two more
    /// events of its job.
    func warmUp(within seconds: Double) async throws {
        try await wait(seconds, for: "the first block of all streams") { $0.greetedCount == $0.watchers.count }
        let targets = try await withRecorder { $0.heads.map { $0 + 2 } }
        try await wait(seconds, for: "two events of all jobs") { $0.countBehind(targets) == 0 }
    }

    /// Measures for `seconds` what arrives, and what the servers use meanwhile.
    func measure(
        _ seconds: Double, _ meter: ProcessMeter, eachSecond: @Sendable () -> Void = {}
    ) async throws -> (delivery: Delivery, usage: ProcessMeter.Usage) {
        let before = meter.read()
        try await withRecorder { $0.beginWindow() }
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            // The sleeps together are the window. Each of them is a sampling interval.
            try await Task.sleep(for: min(.seconds(1), end - .now))
            eachSecond()
        }
        let delivery = try await withRecorder { $0.endWindow() }
        return (delivery, meter.usage(since: before))
    }

    /// Waits until every watcher has the events that the most advanced watcher of its job has now.
    /// A watcher that does not receive them has lost events.
    func awaitLatestEvents(within seconds: Double) async throws {
        let heads = try await withRecorder { $0.heads }
        try await wait(seconds, for: "the last events of all watchers") { $0.countBehind(heads) == 0 }
    }
}

/// Opens many streams at a limited rate. It must be used on the watchers' event loop only.
private final class WatcherConnector {
    private let requests: [StreamRequest]
    private let server: SocketAddress
    private let recorder: DeliveryRecorder
    private let loop: any EventLoop
    private let rampUp: Duration
    private let opened: EventLoopPromise<Void>
    private let began = ContinuousClock.now
    private var next = 0
    private var connecting = 0
    private var reconnects = 0

    private static let watchersPerAddress = 4_000
    /// Below the backlog of every measured server.
    private static let maximumConnecting = 256
    /// Small, so that a watcher costs little memory. An event has about 300 bytes.
    private static let readBytes = 4_096

    /// - Parameter rampUp: the connections begin evenly over this time.
    init(
        _ requests: [StreamRequest], at server: SocketAddress, recorder: DeliveryRecorder, loop: any EventLoop,
        rampUp: Duration, opened: EventLoopPromise<Void>
    ) {
        self.requests = requests
        self.server = server
        self.recorder = recorder
        self.loop = loop
        self.rampUp = rampUp
        self.opened = opened
    }

    func connectMore() {
        recorder.reconnect = { [self] watcher in reconnect(watcher) }
        while next < requests.count, connecting < Self.maximumConnecting {
            let wait = rampUp * next / requests.count - (ContinuousClock.now - began)
            guard wait <= .zero else { return connectMore(in: .milliseconds(1)) }
            connecting += 1
            next += 1
            connect(recorder.add(requests[next - 1]), number: next - 1) { self.connected($0) }
        }
        if next == requests.count, connecting == 0 { opened.succeed() }
    }

    private func connectMore(in delay: TimeAmount) {
        let connector = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: delay) { connector.value.connectMore() }
    }

    private func reconnect(_ watcher: Watcher) {
        reconnects += 1
        // After 0.5 to 1.5 s, so that the watchers do not all reconnect at once.
        let delay = TimeAmount.milliseconds(Int64(500 + reconnects * 37 % 1_000))
        let again = NIOLoopBound((connector: self, watcher: watcher, number: reconnects), eventLoop: loop)
        loop.scheduleTask(in: delay) {
            let (connector, watcher, number) = again.value
            guard !connector.recorder.isClosing else { return }
            connector.connect(watcher, number: number) { result in
                if case .failure(let error) = result {
                    connector.recorder.failed("a watcher could not reconnect: \(error)")
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
                // The kernel chooses the port when the socket connects. Otherwise it looks for a
                // port that no closed connection occupies either (TIME_WAIT, 60 s): after three
                // rounds of 4,000 watchers the search took 14 s (ip(7), IP_BIND_ADDRESS_NO_PORT).
                .channelOption(.ipOption(NIOBSDSocket.Option(rawValue: CInt(IP_BIND_ADDRESS_NO_PORT))), value: 1)
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
        connecting -= 1
        if case .failure(let error) = result {
            next = requests.count
            opened.fail(BenchFailure("a watcher could not connect: \(error)"))
        }
        // In a new turn of the event loop. Otherwise connections that succeed at once would
        // recurse.
        connectMore(in: .zero)
    }
}

/// Waits until a condition of the recorder holds. It must be used on the watchers' event loop only.
///
/// Evaluating the condition may visit every watcher, which would be too much work for each change.
/// So the first change schedules an evaluation in 20 ms, which also covers the changes until then.
private final class RecorderCondition {
    private let recorder: DeliveryRecorder
    private let loop: any EventLoop
    private let isMet: (DeliveryRecorder) throws -> Bool
    private let ended: EventLoopPromise<Void>
    private var timeout: Scheduled<Void>?
    private var isScheduled = false
    private var hasEnded = false

    private static let delay = TimeAmount.milliseconds(20)

    init(
        _ recorder: DeliveryRecorder, on loop: any EventLoop, _ isMet: @escaping (DeliveryRecorder) throws -> Bool
    ) {
        self.recorder = recorder
        self.loop = loop
        self.isMet = isMet
        ended = loop.makePromise(of: Void.self)
    }

    /// - Returns: a future that succeeds when the condition holds. It fails if the condition
    ///   throws, or with `failure` after `time`.
    func wait(_ time: TimeAmount, orFailWith failure: BenchFailure) -> EventLoopFuture<Void> {
        recorder.onChange = { [self] in schedule() }
        let condition = NIOLoopBound(self, eventLoop: loop)
        timeout = loop.scheduleTask(in: time) { condition.value.end(.failure(failure)) }
        evaluate()
        return ended.futureResult
    }

    private func schedule() {
        guard !isScheduled else { return }
        isScheduled = true
        let condition = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: Self.delay) { condition.value.evaluate() }
    }

    private func evaluate() {
        isScheduled = false
        guard !hasEnded else { return }
        do {
            if try isMet(recorder) { end(.success(())) }
        } catch {
            end(.failure(error))
        }
    }

    private func end(_ result: Result<Void, any Error>) {
        guard !hasEnded else { return }
        hasEnded = true
        recorder.onChange = nil
        timeout?.cancel()
        ended.completeWith(result)
    }
}

/// The maximum number of files and sockets that the driver may have open (setrlimit(2)).
enum DescriptorLimit {
    /// Descriptors for other uses than sockets.
    private static let reserve = 256

    /// Raises the limit to the maximum that the system allows. Child processes inherit it.
    /// - Returns: the limit.
    @discardableResult
    static func raise() -> Int {
        var limit = rlimit()
        let resource = __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue))
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        guard setrlimit(resource, &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// - Throws: an error if the process may not have so many sockets.
    static func check(sockets: Int) throws {
        let limit = raise()
        guard sockets <= limit - reserve else {
            throw BenchFailure(
                "\(sockets) connections need more descriptors than this process may open (\(limit)). Raise its limit (ulimit -n)."
            )
        }
    }
}
