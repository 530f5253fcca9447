import LongtakeAPI
import NIOCore

/// One open stream: reads it as cheaply as possible, and tells the board what came.
final class Watcher: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    let plan: WatchPlan
    /// The number of the last event that is complete here.
    private(set) var last: UInt64?
    private var scanner = EventScanner()
    private var isGreeted = false
    private var hasBeenGreeted = false
    private var hasCaughtUp = false
    /// The head that hello told, until this watcher has reached it.
    private var awaitedHead: UInt64?
    /// When it connected first.
    private var began: Int64 = 0
    /// Whether the server asked it to come again later, and with which status.
    private var refusal: Int?
    /// Strong, since streams outlive a measurement that fails; the board lets go of its watchers when it closes them.
    private let board: WatcherBoard

    init(_ plan: WatchPlan, board: WatcherBoard) {
        self.plan = plan
        self.board = board
        last = plan.cursor
    }

    func channelActive(context: ChannelHandlerContext) {
        if began == 0 { began = WallTime.microseconds() }
        (scanner, refusal, isGreeted) = (EventScanner(), nil, false)
        context.writeAndFlush(NIOAny(plan.request(after: last)), promise: nil)
        board.connected(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let now = WallTime.microseconds()
        let isStream = unwrapInboundIn(data).withUnsafeReadableBytes { bytes in
            scanner.feed(bytes) { block in take(block, now) }
        }
        guard !isStream || refusal != nil else { return }
        switch scanner.status {
        case 200: break
        case 429, 503: refusal = scanner.status
        default: board.failed("a stream was answered with status \(scanner.status)")
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        guard refusal == nil else { return board.refused(self, status: refusal ?? 0) }
        board.closed(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A connection that is gone is told by its end; the rest is ours to explain.
        if !(error is IOError) { board.failed("a stream broke: \(error)") }
        context.close(promise: nil)
    }

    private func take(_ block: EventScanner.Block, _ now: Int64) {
        switch block {
        case .event(let sequence, let at, let bytes):
            follow(sequence)
            board.delivered(sequence, of: plan.job, at: at, bytes: bytes, now)
        case .hello(let cursor, let head):
            isGreeted = true
            if !hasBeenGreeted { board.greeted += 1 }
            hasBeenGreeted = true
            if plan.isResumable, let head {
                if cursor != last { board.failed("resumed behind \(cursor ?? 0) instead of \(last ?? 0)") }
                if !hasCaughtUp { awaitedHead = head }
            }
        case .control(let text):
            if !isGreeted, text.contains(StreamMessageType.end.rawValue) {
                refusal = 200
            } else {
                board.failed("a stream said: \(text.prefix(200))")
            }
        case .heartbeat:
            board.heartbeats += 1
        }
        if let head = awaitedHead, (last ?? 0) >= head {
            (awaitedHead, hasCaughtUp) = (nil, true)
            board.caughtUp(after: now - began, now)
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

/// What one watcher asks for.
struct WatchPlan: Sendable {
    /// Which job it watches, by its number in the measurement.
    let job: Int
    /// The last event that it has; `nil` takes what the stream begins with.
    let cursor: UInt64?
    private let path: String
    /// What stands before the number in an event's id; `nil` where a stream cannot be resumed.
    private let epoch: String?

    /// A stream that is never resumed.
    init(job: Int, path: String) {
        (self.job, self.path, cursor, epoch) = (job, path, nil, nil)
    }

    /// - Parameter after: the last event that it has; from the beginning by default.
    init(_ job: SubmittedJob, number: Int, after: UInt64 = 0) {
        (self.job, path, cursor, epoch) = (number, job.path, after, job.epoch)
    }

    var isResumable: Bool { epoch != nil }

    /// - Parameter last: the event to go on after.
    func request(after last: UInt64?) -> ByteBuffer {
        guard let epoch, let last, last > 0 else { return ByteBuffer(string: Self.head(path)) }
        return ByteBuffer(string: Self.head(path, fields: "Last-Event-ID: \(epoch)-\(last)\r\n"))
    }

    static func head(_ path: String, fields: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\(fields)\r\n"
    }
}
