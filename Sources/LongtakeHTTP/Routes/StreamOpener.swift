import HTTPTypes
import Hummingbird
import LongtakeAPI
import LongtakeCore
import LongtakeStream
import NIOCore

/// Responds to a request with a stream, or with the reason why there is none.
struct StreamOpener: Sendable {
    let hub: StreamHub

    /// Opens a stream of the events of one job.
    /// - Parameter status: the status of the response if a stream opens.
    func open(
        _ job: JobID, for caller: Caller, cursor: Cursor, options: StreamOptions, status: HTTPResponse.Status = .ok,
        in exchange: RequestExchange
    ) async throws -> Response {
        let response = Response(status: status, headers: Self.headers(options.format))
        guard let slot = try takeSlot(caller, options, exchange) else { return response }
        var opening = StreamOpening(
            source: .job(job), tenant: caller.tenant, format: options.format, heartbeatEvents: options.heartbeatEvents,
            heartbeat: options.heartbeatSeconds.map { .seconds($0) }, estimates: options.estimates, epoch: nil,
            cursor: LogOffset(EventSequence.beforeFirst), slot: slot)
        let isOpen = try await reading(for: options, exchange) { try await begin(&opening, of: job, at: cursor) }
        guard let isOpen else { return response }
        guard isOpen else { return Response(status: .noContent) }
        exchange.become(opening)
        return response
    }

    /// Reads the first events of the stream of a job.
    /// - Returns: `false` if the log has ended and the client already has all of it.
    private func begin(_ opening: inout StreamOpening, of job: JobID, at cursor: Cursor) async throws -> Bool {
        let after = cursor.sequence ?? .beforeFirst
        guard let page = try await hub.reader.page(of: job, of: opening.tenant, after: after) else {
            throw Problem.noSuchJob
        }
        switch cursor.resolve(epoch: page.epoch, head: page.head) {
        case .after(let sequence):
            if page.isFinal && sequence == page.head { return false }
            let cursor = EventID(epoch: page.epoch, sequence: sequence)
            let head = EventID(epoch: page.epoch, sequence: page.head)
            hello(&opening, job: job, cursor: cursor.description, head: head.description)
            opening.events = page.frames
            opening.epoch = page.epoch
            opening.cursor = LogOffset(page.last ?? sequence)
            opening.isEnded = page.isFinal && (page.last ?? sequence) == page.head
        case .refused(let reason):
            try await reset(&opening, to: job, reason: reason, requested: cursor.text)
        }
        return true
    }

    /// Opens a stream of the events of all jobs of a tenant.
    func open(
        _ filter: FeedFilter, for caller: Caller, cursor: FeedCursor, options: StreamOptions,
        in exchange: RequestExchange
    ) async throws -> Response {
        let response = Response(status: .ok, headers: Self.headers(options.format))
        guard let slot = try takeSlot(caller, options, exchange) else { return response }
        let query = FeedQuery(tenant: caller.tenant, filter: filter, after: cursor.readsAfter)
        guard let page = try await reading(for: options, exchange, { try await hub.reader.page(query) }) else {
            return response
        }
        var opening = StreamOpening(
            source: .feed(filter), tenant: caller.tenant, format: options.format,
            heartbeatEvents: options.heartbeatEvents,
            heartbeat: options.heartbeatSeconds.map { .seconds($0) }, epoch: page.epoch, cursor: LogOffset(page.head),
            prunedThrough: page.prunedThrough, slot: slot)
        let head = FeedID(epoch: page.epoch, position: page.head)
        switch cursor.resolve(epoch: page.epoch, head: page.head, prunedThrough: page.prunedThrough) {
        case .after(let position):
            let id = FeedID(epoch: page.epoch, position: position)
            hello(&opening, job: nil, cursor: id.description, head: head.description)
            // Without a cursor the page is empty, and the feed starts at the head.
            opening.events = page.events.map { EventFrame($0) }
            opening.cursor = LogOffset(max(page.reached, position))
            opening.lastSentID = LogOffset(page.events.last?.position ?? position)
        case .refused(let reason):
            hello(&opening, job: nil, cursor: nil, head: head.description)
            add([.reset(reason: reason, requested: cursor.text), .cursor(head)], to: &opening)
        }
        exchange.become(opening)
        return response
    }

    /// Opens a stream of test events.
    func open(
        _ plan: DiagnosticsPlan, for caller: Caller, options: StreamOptions, in exchange: RequestExchange
    ) throws -> Response {
        let response = Response(status: .ok, headers: Self.headers(options.format))
        guard let slot = try takeSlot(caller, options, exchange) else { return response }
        var opening = StreamOpening(
            source: .diagnostics, tenant: caller.tenant, format: options.format,
            heartbeatEvents: options.heartbeatEvents,
            heartbeat: options.heartbeatSeconds.map { .seconds($0) }, epoch: nil,
            cursor: LogOffset(EventPosition.beforeFirst), slot: slot)
        opening.diagnostics = plan
        exchange.become(opening)
        return response
    }

    /// Opens a stream of the log of a stage.
    /// - Parameter cursor: the offset that the client has, as it sent it.
    func open(
        _ follower: StageLogFollower, for caller: Caller, cursor: String?, options: StreamOptions,
        in exchange: RequestExchange
    ) async throws -> Response {
        let response = Response(status: .ok, headers: Self.headers(options.format))
        guard let slot = try takeSlot(caller, options, exchange) else { return response }
        guard let start = try await reading(for: options, exchange, { try await follower.start(after: cursor) })
        else { return response }
        guard !start.isComplete else { return Response(status: .noContent) }
        var opening = StreamOpening(
            source: .stageLog, tenant: caller.tenant, format: options.format, heartbeatEvents: options.heartbeatEvents,
            heartbeat: options.heartbeatSeconds.map { .seconds($0) }, epoch: nil,
            cursor: LogOffset(EventPosition.beforeFirst), slot: slot)
        opening.stageLog = start.plan
        hello(
            &opening, job: follower.job, cursor: start.refusal == nil ? "\(start.plan.offset)" : nil,
            head: "\(start.head)")
        if let refusal = start.refusal {
            add([.reset(reason: refusal, requested: cursor ?? "")], to: &opening)
        }
        exchange.become(opening)
        return response
    }

    private func reset(
        _ opening: inout StreamOpening, to id: JobID, reason: CursorRefusal, requested: String
    ) async throws {
        guard let job = try await hub.reader.job(id, of: opening.tenant) else { throw Problem.noSuchJob }
        hello(&opening, job: id, cursor: nil, head: job.lastEvent.description)
        add(
            [
                .reset(reason: reason, requested: requested),
                .snapshot(
                    id: job.lastEvent,
                    job: JobDocument(
                        job, waitingFor: hub.configuration.disk.reason(for: job), links: hub.configuration.links
                    ).json),
            ], to: &opening)
        opening.epoch = job.lastEvent.epoch
        opening.cursor = LogOffset(job.lastEvent.sequence)
        opening.isEnded = job.state.isFinal
    }

    private func hello(_ opening: inout StreamOpening, job: JobID?, cursor: String?, head: String) {
        let hello = ControlFrame.hello(
            job: job, cursor: cursor, head: head,
            heartbeatSeconds: Int((opening.heartbeat ?? hub.configuration.heartbeat).components.seconds),
            retryMilliseconds: hub.configuration.draw(StreamLimits.retryMilliseconds))
        add([hello], to: &opening)
    }

    private func add(_ frames: [ControlFrame], to opening: inout StreamOpening) {
        for frame in frames { opening.prelude.writeImmutableBuffer(frame.bytes(opening.format)) }
    }

    /// Takes a slot for a stream.
    ///
    /// If there is none, a browser gets a stream that ends at once, so that it reconnects. Other
    /// clients get an error status. The status of a submission is not affected by its stream.
    /// - Returns: `nil` if the response is a stream that ends at once.
    /// - Throws: ``Problem`` for clients that are not browsers.
    private func takeSlot(_ caller: Caller, _ options: StreamOptions, _ exchange: RequestExchange) throws -> StreamSlot?
    {
        if hub.isDraining {
            try refuse(.draining, .draining, options, exchange)
        } else if let slot = hub.takeSlot(of: caller.owner) {
            return slot
        } else {
            try refuse(.limit, .tooManyStreams, options, exchange)
        }
        return nil
    }

    /// Reads from the journal.
    /// - Returns: `nil` if the journal cannot read at present and the response is a stream that
    ///   ends at once.
    private func reading<Value>(
        for options: StreamOptions, _ exchange: RequestExchange, _ read: () async throws -> Value
    ) async throws -> Value? {
        do {
            return try await read()
        } catch let error as JournalError {
            try refuse(error == .closed ? .draining : .unavailable, Problem(error), options, exchange)
            return nil
        }
    }

    private func refuse(_ reason: StreamEnd, _ problem: Problem, _ options: StreamOptions, _ exchange: RequestExchange)
        throws
    {
        guard options.mayBeBrowser else { throw problem }
        let end = ControlFrame.end(
            reason: reason, retryMilliseconds: hub.configuration.draw(StreamLimits.retryMilliseconds))
        exchange.become(
            StreamOpening(
                source: .feed(FeedFilter()), tenant: .anonymous, format: options.format,
                prelude: end.bytes(options.format), epoch: nil,
                cursor: LogOffset(EventPosition.beforeFirst), isEnded: true, end: reason, slot: nil))
    }

    /// The headers tell caches and proxies to store, change and buffer nothing.
    static func headers(_ format: StreamFormat) -> HTTPFields {
        [
            .contentType: format.isServerSentEvents ? "text/event-stream; charset=utf-8" : MediaTypes.lines,
            .cacheControl: "no-store, no-transform",
            .accelBuffering: "no",
        ]
    }
}

/// The form of a stream that the client requests.
struct StreamOptions: Sendable {
    var format: StreamFormat
    var heartbeatEvents: Bool
    /// The time between two heartbeats; `nil` for the default.
    var heartbeatSeconds: Int?
    /// Whether a stream of one job also sends `job.estimate`.
    var estimates = false
    /// Whether `Accept` contains `text/event-stream`. The client may then be a browser, whose
    /// `EventSource` never reconnects after a status other than 200.
    var mayBeBrowser: Bool

    /// Parses the query and the `Accept` header.
    /// - Parameters:
    ///   - type: the chosen representation.
    ///   - heartbeat: the configured heartbeat, which bounds the one that the client may request.
    init(_ query: Query, _ accept: AcceptHeader, type: String, heartbeat: Duration) throws(Problem) {
        let isMessage = try query.choice("format", of: ["message"]) != nil
        format = type == MediaTypes.lines ? .lines : isMessage ? .messages : .events
        heartbeatEvents = try query.choice("heartbeat", of: ["event"]) != nil && type == MediaTypes.eventStream
        let longest = min(
            HTTPLimits.heartbeatSeconds.upperBound, Int(heartbeat.components.seconds) * HTTPLimits.heartbeatFactor)
        heartbeatSeconds = try query.integer("heartbeat_seconds", in: HTTPLimits.heartbeatSeconds.lowerBound...longest)
        estimates = try query.choice("estimate", of: ["1"]) != nil && type == MediaTypes.eventStream
        mayBeBrowser = accept.names(MediaTypes.eventStream)
    }

    /// The options of a route whose only representation is Server-Sent Events.
    /// - Throws: also ``Problem/notAcceptable(_:)``.
    init(_ query: Query, onlyEventStream accept: AcceptHeader, heartbeat: Duration) throws(Problem) {
        guard accept.choose(from: [MediaTypes.eventStream]) != nil else {
            throw .notAcceptable(MediaTypes.eventStream)
        }
        try self.init(query, accept, type: MediaTypes.eventStream, heartbeat: heartbeat)
    }
}

extension FeedCursor {
    /// The position after which to read. If only the head is needed, it is the last possible
    /// position.
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
    /// The sequence number of the cursor; `nil` if it has none.
    fileprivate var sequence: EventSequence? {
        switch self {
        case .start, .malformed: nil
        case .event(let id): id.sequence
        case .sequence(let sequence): sequence
        }
    }
}
