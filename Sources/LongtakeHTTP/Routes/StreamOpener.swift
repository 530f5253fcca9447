import HTTPTypes
import Hummingbird
import LongtakeCore
import LongtakeStream
import NIOCore

/// Answers a request for a job's log with a stream, or with the reason why there is none.
struct StreamOpener: Sendable {
    let journal: any Journal
    let hub: StreamHub
    /// See ``JobDocument/linkBase``.
    let linkBase: String

    /// How the reader wants it.
    struct Wish: Sendable {
        var format: StreamFormat
        var heartbeatEvents: Bool
        /// After how many seconds of silence the stream says that it is alive; `nil` for the setting.
        var heartbeatSeconds: Int?
        /// Whether `Accept` names `text/event-stream`: then a browser may be at the other end, which would give up for good at any status
        /// but 200.
        var mayBeBrowser: Bool
    }

    /// Follows one job.
    /// - Parameter status: of an answer with a stream.
    func open(
        _ job: JobID, for caller: Caller, cursor: Cursor, wish: Wish, status: HTTPResponse.Status = .ok,
        in exchange: RequestExchange
    ) async throws -> Response {
        let response = Response(status: status, headers: Self.headers(wish.format))
        guard let slot = try takeSlot(caller, wish, exchange) else { return response }
        var opening = StreamOpening(
            source: .job(job), tenant: caller.tenant, format: wish.format, heartbeatEvents: wish.heartbeatEvents,
            heartbeat: wish.heartbeatSeconds.map { .seconds($0) }, cursor: LogPlace(EventSequence.beforeFirst),
            slot: slot)
        let isOpen = try await reading(for: wish, exchange) { try await begin(&opening, of: job, at: cursor) }
        guard let isOpen else { return response }
        guard isOpen else { return Response(status: .noContent) }
        exchange.become(opening)
        return response
    }

    /// Reads what the stream of a job begins with.
    /// - Returns: whether there is a stream; not where the reader has all of a log that has ended.
    private func begin(_ opening: inout StreamOpening, of job: JobID, at cursor: Cursor) async throws -> Bool {
        let after = cursor.sequence ?? .beforeFirst
        guard let page = try await hub.log.page(of: job, of: opening.tenant, after: after) else {
            throw Problem.noSuchJob
        }
        switch cursor.resolve(epoch: journal.epoch, head: page.head) {
        case .after(let sequence):
            if page.isFinal && sequence == page.head { return false }
            hello(&opening, job: job, cursor: id(sequence), head: id(page.head))
            opening.events = page.frames
            opening.cursor = LogPlace(page.last ?? sequence)
            opening.isEnded = page.isFinal && (page.last ?? sequence) == page.head
        case .refused(let reason):
            try await reset(&opening, to: job, reason: reason, requested: cursor.text)
        }
        return true
    }

    /// Follows all jobs of a tenant.
    func open(
        _ filter: FeedFilter, for caller: Caller, cursor: FeedCursor, wish: Wish, in exchange: RequestExchange
    ) async throws -> Response {
        let response = Response(status: .ok, headers: Self.headers(wish.format))
        guard let slot = try takeSlot(caller, wish, exchange) else { return response }
        let query = FeedQuery(tenant: caller.tenant, filter: filter, after: cursor.readsAfter)
        guard let page = try await reading(for: wish, exchange, { try await hub.log.page(query) }) else {
            return response
        }
        var opening = StreamOpening(
            source: .feed(filter), tenant: caller.tenant, format: wish.format, heartbeatEvents: wish.heartbeatEvents,
            heartbeat: wish.heartbeatSeconds.map { .seconds($0) }, cursor: LogPlace(page.head),
            prunedThrough: page.prunedThrough, slot: slot)
        let head = FeedID(epoch: journal.epoch, position: page.head)
        switch cursor.resolve(epoch: journal.epoch, head: page.head, prunedThrough: page.prunedThrough) {
        case .after(let position):
            let id = FeedID(epoch: journal.epoch, position: position)
            hello(&opening, job: nil, cursor: id.description, head: head.description)
            // Without a cursor the page is empty, and the feed begins at the head of its read.
            opening.events = page.events.map { EventFrame($0) }
            opening.cursor = LogPlace(max(page.reached, position))
            opening.told = LogPlace(page.events.last?.position ?? position)
        case .refused(let reason):
            hello(&opening, job: nil, cursor: nil, head: head.description)
            add([.reset(reason: reason, requested: cursor.text), .movedOn(to: head)], to: &opening)
        }
        exchange.become(opening)
        return response
    }

    /// Tells test events, which are no log's.
    func open(
        _ plan: DiagnosticsPlan, for caller: Caller, wish: Wish, in exchange: RequestExchange
    ) throws -> Response {
        let response = Response(status: .ok, headers: Self.headers(wish.format))
        guard let slot = try takeSlot(caller, wish, exchange) else { return response }
        var opening = StreamOpening(
            source: .diagnostics, tenant: caller.tenant, format: wish.format, heartbeatEvents: wish.heartbeatEvents,
            heartbeat: wish.heartbeatSeconds.map { .seconds($0) }, cursor: LogPlace(EventPosition.beforeFirst),
            slot: slot)
        opening.diagnostics = plan
        exchange.become(opening)
        return response
    }

    private func reset(
        _ opening: inout StreamOpening, to id: JobID, reason: CursorRefusal, requested: String
    ) async throws {
        guard let job = try await hub.log.job(id, of: opening.tenant) else { throw Problem.noSuchJob }
        hello(&opening, job: id, cursor: nil, head: job.lastEvent.description)
        add(
            [
                .reset(reason: reason, requested: requested),
                .snapshot(id: job.lastEvent, job: JobDocument(job, linkBase: linkBase).json),
            ], to: &opening)
        opening.cursor = LogPlace(job.lastEvent.sequence)
        opening.isEnded = job.state.isFinal
    }

    private func id(_ sequence: EventSequence) -> String { "\(EventID(epoch: journal.epoch, sequence: sequence))" }

    private func hello(_ opening: inout StreamOpening, job: JobID?, cursor: String?, head: String) {
        let hello = ControlFrame.hello(
            job: job, cursor: cursor, head: head,
            heartbeatSeconds: Int((opening.heartbeat ?? hub.configuration.heartbeat).components.seconds),
            retryMilliseconds: hub.configuration.draw(Limits.retryMilliseconds))
        add([hello], to: &opening)
    }

    private func add(_ frames: [ControlFrame], to opening: inout StreamOpening) {
        for frame in frames { opening.prelude.writeImmutableBuffer(frame.bytes(opening.format)) }
    }

    /// A place for a stream. `nil` where there is none and the reader is told so by a stream that ends at once.
    ///
    /// A refusal that passes by: such a stream where a browser may be at the other end, a status for everyone else. A job that was just
    /// submitted is told as created whatever becomes of its stream.
    private func takeSlot(_ caller: Caller, _ wish: Wish, _ exchange: RequestExchange) throws -> StreamSlot? {
        if hub.isDraining {
            try refuse(.draining, .draining, wish, exchange)
        } else if let slot = hub.takeSlot(of: caller.owner) {
            return slot
        } else {
            try refuse(.limit, .tooManyStreams, wish, exchange)
        }
        return nil
    }

    /// What `read` gives; `nil` where the journal cannot serve it at present and the reader is told so by a stream that ends at once.
    private func reading<Value>(
        for wish: Wish, _ exchange: RequestExchange, _ read: () async throws -> Value
    ) async throws -> Value? {
        do {
            return try await read()
        } catch let error as JournalError {
            try refuse(error == .closed ? .draining : .unavailable, Problem(error), wish, exchange)
            return nil
        }
    }

    private func refuse(_ reason: StreamEnd, _ problem: Problem, _ wish: Wish, _ exchange: RequestExchange) throws {
        guard wish.mayBeBrowser else { throw problem }
        let end = ControlFrame.end(reason: reason, retryMilliseconds: hub.configuration.draw(Limits.retryMilliseconds))
        exchange.become(
            StreamOpening(
                source: .feed(FeedFilter()), tenant: .anonymous, format: wish.format, prelude: end.bytes(wish.format),
                cursor: LogPlace(EventPosition.beforeFirst), isEnded: true, end: reason, slot: nil))
    }

    /// Told to caches and proxies: keep nothing, change nothing, hold nothing back.
    static func headers(_ format: StreamFormat) -> HTTPFields {
        [
            .contentType: format.isServerSentEvents ? "text/event-stream; charset=utf-8" : MediaTypes.lines,
            .cacheControl: "no-store, no-transform",
            .accelBuffering: "no",
        ]
    }
}

extension StreamOpener.Wish {
    /// What the query and `Accept` ask for, where `type` was chosen.
    /// - Parameter heartbeat: the setting, which bounds what the client may ask for.
    init(_ query: Query, _ accept: Acceptance, type: String, heartbeat: Duration) throws(Problem) {
        let isMessage = try query.choice("format", of: ["message"]) != nil
        format = type == MediaTypes.lines ? .lines : isMessage ? .messages : .events
        heartbeatEvents = try query.choice("heartbeat", of: ["event"]) != nil && type == MediaTypes.eventStream
        let longest = min(
            Limits.heartbeatSeconds.upperBound, Int(heartbeat.components.seconds) * Limits.heartbeatFactor)
        heartbeatSeconds = try query.integer("heartbeat_seconds", in: Limits.heartbeatSeconds.lowerBound...longest)
        mayBeBrowser = accept.names(MediaTypes.eventStream)
    }
}

extension FeedCursor {
    /// Where a read begins that serves this cursor; behind everything where only the head is wanted.
    fileprivate var readsAfter: EventPosition {
        switch self {
        case .now, .malformed: EventPosition(rawValue: .max)
        case .all: .beforeFirst
        case .id(let id): id.position
        case .position(let position): position
        }
    }
}

extension Cursor {
    /// The number in the cursor, where it has one.
    fileprivate var sequence: EventSequence? {
        switch self {
        case .start, .malformed: nil
        case .event(let id): id.sequence
        case .sequence(let sequence): sequence
        }
    }
}
