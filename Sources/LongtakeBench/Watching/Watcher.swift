import NIOCore

/// One open stream: reads it as cheaply as possible, and tells the board what came.
final class Watcher: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    let plan: WatchPlan
    /// The number of the last event that is complete here.
    private(set) var last: UInt64?
    private var scanner = EventScanner()
    /// The head that hello told, until this watcher has reached it.
    private var awaitedHead: UInt64?
    private var began: Int64 = 0
    private unowned let board: WatcherBoard

    init(_ plan: WatchPlan, board: WatcherBoard) {
        self.plan = plan
        self.board = board
        last = plan.cursor
    }

    func channelActive(context: ChannelHandlerContext) {
        began = WallTime.microseconds()
        context.writeAndFlush(NIOAny(plan.request), promise: nil)
        board.connected(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let now = WallTime.microseconds()
        let isStream = unwrapInboundIn(data).withUnsafeReadableBytes { bytes in
            scanner.feed(bytes) { block in take(block, now) }
        }
        if !isStream {
            board.failed("a stream was answered with status \(scanner.status)")
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { board.closed() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        board.failed("a stream broke: \(error)")
        context.close(promise: nil)
    }

    private func take(_ block: EventScanner.Block, _ now: Int64) {
        switch block {
        case .event(let sequence, let at):
            follow(sequence)
            board.delivered(sequence, of: plan.job, at: at, now)
        case .hello(let cursor, let head):
            board.greeted += 1
            if let expected = plan.cursor, let head {
                if cursor != expected { board.failed("resumed behind \(cursor ?? 0) instead of \(expected)") }
                awaitedHead = head
            }
        case .control(let text):
            board.failed("a stream said: \(text.prefix(200))")
        case .heartbeat:
            board.heartbeats += 1
        }
        if let head = awaitedHead, (last ?? 0) >= head {
            awaitedHead = nil
            board.caughtUp(after: now - began)
        }
    }

    /// Holds the event's number against the one that has to come.
    private func follow(_ sequence: UInt64) {
        if let last, sequence != last + 1 {
            if sequence > last {
                board.delivery.gaps += Int(clamping: sequence - last - 1)
            } else {
                board.delivery.duplicates += 1
            }
        }
        last = max(last ?? 0, sequence)
    }
}
