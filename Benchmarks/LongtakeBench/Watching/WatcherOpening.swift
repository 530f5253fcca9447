import NIOCore
import NIOPosix

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
