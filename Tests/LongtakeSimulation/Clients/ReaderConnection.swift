import Glibc
import LongtakeCore
import LongtakeStream
import NIOCore

/// One connection of a reader, with the kernel between both sides. Each block is compared with the
/// log book when it is sent, so an event that is not durable is detected at once. Unchecked,
/// because the simulation has one thread.
final class ReaderConnection: StreamSink, @unchecked Sendable {
    private let reader: Reader
    private let boot: Boot
    private let loop: SimulatedLoop
    private let stage: Stagehand
    private var subscriber: StreamSubscriber?
    /// The cursor of the reader after everything that was sent.
    private var sent: Int64
    /// The reader's cursor after each piece that the kernel has not delivered yet.
    private var inFlight: [Int64] = []
    /// The client reads.
    private var isReading = true
    private(set) var wasStuck = false
    /// The next send finds the connection broken.
    var breaksOnSend = false
    private var hasFinal = false
    private var hasEndMessage = false
    private var isFinished = false
    private var isGone = false

    init(of reader: Reader, to boot: Boot, on loop: SimulatedLoop, stage: Stagehand) {
        self.reader = reader
        self.boot = boot
        self.loop = loop
        self.stage = stage
        sent = reader.cursor
    }

    // MARK: The client's side

    /// Requests the stream, as the daemon's own route does.
    func open() {
        // Unstructured: each request is independent.
        Task { [self] in
            guard !boot.isStopping, let slot = boot.hub.takeSlot() else { return leave() }
            do {
                guard let opening = try await read(slot), boot.isAlive, !isGone else { return leave() }
                loop.execute { self.begin(opening) }
            } catch {
                leave()
            }
        }
    }

    private func read(_ slot: StreamSlot) async throws -> StreamOpening? {
        switch reader.source {
        // It has no event log, so there is nothing to check here.
        case .stageLog, .diagnostics: return nil
        case .job(let job):
            let cursor = EventSequence(rawValue: reader.cursor)
            let page = try await boot.hub.reader.page(of: job, of: reader.tenant, after: cursor)
            guard boot.isAlive else { return nil }
            guard let page, page.head >= cursor else {
                stage.verdict.fail(.acknowledged, "\(job) does not exist, or its log ends before its reader's cursor")
                return nil
            }
            if page.isFinal, page.head == cursor {
                stage.verdict.check(
                    stage.book.jobs[job]?.entries.count == Int(cursor.rawValue), .resume,
                    "\(job): its reader got 204 before the last event")
                reader.isDone = true
                return nil
            }
            let last = page.last ?? cursor
            return StreamOpening(
                source: reader.source, tenant: reader.tenant, format: .events, events: page.frames,
                epoch: page.epoch, cursor: LogOffset(last), isEnded: page.isFinal && last == page.head, slot: slot)
        case .feed(let filter):
            let position = EventPosition(rawValue: reader.cursor)
            let page = try await boot.hub.reader.page(
                FeedQuery(tenant: reader.tenant, filter: filter, after: position))
            return StreamOpening(
                source: reader.source, tenant: reader.tenant, format: .events,
                events: page.events.map { EventFrame($0) }, epoch: page.epoch,
                cursor: LogOffset(max(page.reached, position)),
                lastSentID: LogOffset(page.events.last?.position ?? position), slot: slot)
        }
    }

    private func begin(_ opening: StreamOpening) {
        guard !isGone else { return }
        let subscriber = boot.hub.makeStream(opening, on: loop, sink: self)
        self.subscriber = subscriber
        subscriber.start(opening)
    }

    /// Stops reading, or continues.
    func toggleReading() {
        guard isReading else { return readOn() }
        stage.trace.tell("a reader of \(reader.source) stops reading")
        (isReading, wasStuck) = (false, true)
    }

    func readOn() {
        guard !isReading else { return }
        isReading = true
        loop.execute { [self] in
            while isReading, !inFlight.isEmpty, !isGone {
                arrive(inFlight.removeFirst())
                subscriber?.pieceWritten()
                subscriber?.writabilityChanged()
            }
        }
    }

    /// The client disconnects, or the process was killed: all undelivered pieces are lost.
    func cut() {
        disconnect()
        loop.execute { [self] in
            subscriber?.connectionClosed()
            subscriber = nil
        }
    }

    /// Called when nothing can run before time passes. A client that reads must have every event.
    func lookAtRest() {
        guard subscriber != nil, isReading, inFlight.isEmpty, !isGone, !isFinished else { return }
        stage.verdict.check(
            reader.hasAll(at: sent, in: stage.book), .resume,
            "a reader of \(reader.source) reads, but does not get the events after \(sent)")
    }

    private func leave() {
        disconnect()
        subscriber = nil
    }

    private func disconnect() {
        isGone = true
        inFlight = []
        if reader.connection === self { reader.connection = nil }
    }

    private func arrive(_ offset: Int64) {
        reader.cursor = offset
        guard isFinished, inFlight.isEmpty else { return }
        if hasFinal { reader.isDone = true }
        leave()
    }

    // MARK: The daemon's side

    var framing: any StreamFraming.Type { Unframed.self }

    var isWritable: Bool { !isGone && inFlight.count < 2 }

    func send(_ bytes: ByteBuffer) -> Int {
        guard bytes.readableBytes > 0, boot.isAlive, !isGone else { return 0 }
        bytes.withUnsafeReadableBytes { checkBlocks($0) }
        if breaksOnSend {
            let subscriber = subscriber
            leave()
            subscriber?.connectionClosed()
            return 0
        }
        guard isReading, inFlight.isEmpty else {
            inFlight.append(sent)
            return 1
        }
        arrive(sent)
        return 0
    }

    func finish(_ close: StreamClose) {
        guard boot.isAlive, !isGone else { return }
        stage.verdict.check(
            hasFinal || hasEndMessage, .finalEvent,
            "a stream of \(reader.source) ends without a final event or stream.end")
        isFinished = true
        if inFlight.isEmpty { arrive(sent) }
    }

    func abort(_ close: StreamClose) {
        guard boot.isAlive, !isGone else { return }
        stage.verdict.check(
            wasStuck || boot.readsFail || boot.readsHang, .resume,
            "a reader of \(reader.source) reads, but is disconnected")
        leave()
    }

    /// Checks each block: it must be the next event of the log book, or a control block of the
    /// stream.
    private func checkBlocks(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            stage.verdict.check(!hasFinal, .finalEvent, "a block follows the final event of \(reader.source)")
            if let next = reader.next(after: sent, in: stage.book), next.block.begins(rest) {
                sent = next.offset
                hasFinal = next.isFinal
                rest = rest.dropFirst(next.block.count)
                continue
            }
            guard let control = ControlBlock(&rest) else {
                let text = String(decoding: bytes, as: UTF8.self)
                return stage.verdict.fail(
                    .log, "after \(sent) a reader of \(reader.source) got another block than the next event: \(text)")
            }
            switch control {
            case .heartbeat: break
            case .end: hasEndMessage = true
            case .cursorMoved(let position):
                let isSkipping = reader.next(after: sent, in: stage.book).map { $0.offset <= position } ?? false
                stage.verdict.check(!isSkipping, .resume, "the cursor of a feed reader skips an event")
                stage.verdict.check(position >= sent, .resume, "the cursor of a feed reader moves back")
                sent = position
            }
        }
    }
}

extension [UInt8] {
    /// Whether `bytes` begin with this block.
    fileprivate func begins(_ bytes: Slice<UnsafeRawBufferPointer>) -> Bool {
        withUnsafeBytes { block in
            let rest = UnsafeRawBufferPointer(rebasing: bytes)
            guard let own = block.baseAddress, let other = rest.baseAddress, rest.count >= count else { return false }
            return memcmp(own, other, count) == 0
        }
    }
}
