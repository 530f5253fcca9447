import LongtakeAPI
import NIOCore

/// One open stream. It reads the stream as cheaply as possible, and passes the events to its
/// recorder.
final class Watcher: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    let request: StreamRequest
    /// The number of the last event that has arrived completely.
    private(set) var last: UInt64?
    private var parser = EventStreamParser()
    /// Whether the current connection has received its first block.
    private var isGreeted = false
    /// Whether any connection of this watcher has received its first block.
    private var wasGreeted = false
    private var hasCaughtUp = false
    /// The `head` of the first `stream.hello`, until the watcher has received that event.
    private var awaitedHead: UInt64?
    /// The time of the first connection, in microseconds since 1970; 0 before it.
    private var began: Int64 = 0
    /// The status with which the server has rejected the stream: 200 with `stream.end`, 429 or 503.
    private var rejection: Int?
    /// A strong reference, because streams outlive a measurement that fails. The recorder releases
    /// its watchers when it closes them.
    private let recorder: DeliveryRecorder

    init(_ request: StreamRequest, recorder: DeliveryRecorder) {
        self.request = request
        self.recorder = recorder
        last = request.cursor
    }

    func channelActive(context: ChannelHandlerContext) {
        if began == 0 { began = WallTime.microseconds() }
        (parser, rejection, isGreeted) = (EventStreamParser(), nil, false)
        context.writeAndFlush(NIOAny(request.bytes(after: last)), promise: nil)
        recorder.connected(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Once for each read, because a call for each event would cost more.
        defer { recorder.onChange?() }
        let now = WallTime.microseconds()
        let isStream = unwrapInboundIn(data).withUnsafeReadableBytes { bytes in
            parser.feed(bytes) { block in receive(block, now) }
        }
        guard !isStream || rejection != nil else { return }
        switch parser.status {
        case 200: break
        case 429, 503: rejection = parser.status
        default: recorder.failed("a stream received status \(parser.status)")
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if let rejection { recorder.rejected(self, status: rejection) } else { recorder.disconnected(self) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // If the connection is lost, `channelInactive` reports it. Other errors are failures.
        if !(error is IOError) { recorder.failed("a stream failed: \(error)") }
        context.close(promise: nil)
    }

    private func receive(_ block: EventStreamParser.Block, _ now: Int64) {
        switch block {
        case .event(let sequence, let at, let bytes):
            checkOrder(sequence)
            recorder.delivered(sequence, of: request.job, at: at, bytes: bytes, now)
        case .hello(let cursor, let head):
            isGreeted = true
            if !wasGreeted { recorder.greetedCount += 1 }
            wasGreeted = true
            if request.isResumable, let head {
                if cursor != last {
                    recorder.failed("a stream resumed after event \(cursor ?? 0) instead of \(last ?? 0)")
                }
                if !hasCaughtUp { awaitedHead = head }
            }
        case .control(let text):
            if !isGreeted, text.contains(StreamMessageType.end.rawValue) {
                rejection = 200
            } else {
                recorder.failed("a stream received: \(text.prefix(200))")
            }
        case .heartbeat:
            recorder.heartbeats += 1
        }
        if let head = awaitedHead, (last ?? 0) >= head {
            (awaitedHead, hasCaughtUp) = (nil, true)
            recorder.caughtUp(after: now - began, now)
        }
    }

    /// Compares the number of the event with the expected one.
    private func checkOrder(_ sequence: UInt64) {
        if let last, sequence != last + 1 {
            if sequence > last {
                recorder.delivery.missing += Int(clamping: sequence - last - 1)
            } else {
                recorder.delivery.duplicates += 1
            }
        }
        last = max(last ?? 0, sequence)
    }
}

/// The request of a watcher.
struct StreamRequest: Sendable {
    /// The number of the watched job in this measurement.
    let job: Int
    /// The last event that the watcher has; `nil` for a stream that cannot be resumed.
    let cursor: UInt64?
    private let path: String
    /// The epoch in the ids of the events; `nil` for a stream that cannot be resumed.
    private let epoch: String?

    /// A stream that cannot be resumed.
    init(job: Int, path: String) {
        (self.job, self.path, cursor, epoch) = (job, path, nil, nil)
    }

    /// - Parameter after: the last event that the watcher has; 0 for the beginning of the event
    ///   log.
    init(_ job: SubmittedJob, number: Int, after: UInt64 = 0) {
        (self.job, path, cursor, epoch) = (number, job.path, after, job.epoch)
    }

    var isResumable: Bool { epoch != nil }

    /// - Parameter last: the last event that the watcher has.
    func bytes(after last: UInt64?) -> ByteBuffer {
        guard let epoch, let last, last > 0 else { return ByteBuffer(string: Self.head(path)) }
        return ByteBuffer(string: Self.head(path, fields: "Last-Event-ID: \(epoch)-\(last)\r\n"))
    }

    static func head(_ path: String, fields: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\(fields)\r\n"
    }
}
