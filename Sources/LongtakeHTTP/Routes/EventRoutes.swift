import Hummingbird
import LongtakeAPI
import LongtakeCore
import LongtakeStream

/// `GET /v1/jobs/{id}/events`: the log of one job in three representations.
struct EventRoutes: Sendable {
    let journal: any Journal
    let hub: StreamHub
    let opener: StreamOpener

    func register(on routes: inout RouteTable) {
        routes.add("/v1/jobs/{id}/events", [.get: .needs(.read, orTicket: true, events, query: Self.query)])
    }

    /// The parameters of all representations. Those of another representation have no effect.
    private static let query = QueryNames("estimate", "format", "heartbeat", "heartbeat_seconds", "limit", "wait")
        .withCursor

    @Sendable private func events(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let query = Query(request)
        let accept = AcceptHeader(request.headers[.accept])
        let offered = [MediaTypes.eventStream, MediaTypes.lines, MediaTypes.json]
        guard let type = accept.choose(from: offered) else {
            throw Problem.notAcceptable(offered.joined(separator: ", "))
        }
        let job = try context.jobID()
        let cursor = Cursor(query.cursor(of: request))
        if type == MediaTypes.json {
            return try await page(
                of: job, for: context.caller, after: cursor, query, in: context.exchange)
        }
        let options = try StreamOptions(query, accept, type: type, heartbeat: hub.configuration.heartbeat)
        return try await opener.open(
            job, for: context.caller, cursor: cursor, options: options, in: context.exchange)
    }

    /// One page of the log. With `?wait=`, an empty page waits for the next event.
    private func page(
        of job: JobID, for caller: Caller, after cursor: Cursor, _ query: Query, in exchange: RequestExchange
    ) async throws -> Response {
        let limit = try query.integer("limit", in: 1...HTTPLimits.eventsPerClientPage) ?? Limits.eventsPerPage
        let wait = try query.integer("wait", in: 0...HTTPLimits.waitSeconds) ?? 0
        @Sendable func read(_ after: EventSequence, _ limit: Int) async throws -> EventPage {
            guard let page = try await journal.events(of: job, of: caller.tenant, after: after, limit: limit) else {
                throw Problem.noSuchJob
            }
            return page
        }
        let start = try await read(.beforeFirst, 1)
        let after: EventSequence
        switch cursor.resolve(epoch: start.epoch, head: start.head) {
        case .after(let sequence):
            after = sequence
        case .refused(.malformed):
            throw Problem.badRequest("The cursor is not an event id.")
        case .refused:
            throw Problem(
                type: .cursorGone, status: .gone, title: "Cursor gone",
                detail:
                    "This log does not contain the event of the cursor. It belongs to another database, or to a later state of this one. Read the job again."
            )
        }
        var page = try await read(after, limit)
        if page.events.isEmpty && !page.isFinal && page.epoch == start.epoch && wait > 0 {
            guard let slot = hub.takeWaitSlot(of: caller.owner.account) else { throw Problem.tooManyWaits }
            defer { withExtendedLifetime(slot) {} }
            var left = Duration.seconds(wait)
            repeat {
                left = try await hub.waitForEvent(
                    of: job, of: caller.tenant, after: after, upTo: left, ending: exchange.whenInputCloses
                ) {
                    let page = try await read(after, 1)
                    return page.head > after || page.epoch != start.epoch
                }
                page = try await read(after, limit)
                // The wait may end although nothing is new.
            } while page.events.isEmpty && !page.isFinal && page.epoch == start.epoch && left > .zero
                && !exchange.hasClosedInput && !hub.isDraining
        }
        // The history was replaced between the reads, so the cursor means something else now.
        guard page.epoch == start.epoch else {
            return try await self.page(of: job, for: caller, after: cursor, query, in: exchange)
        }
        return .json(bytes: EventPageDocument.json(page, after: after).utf8)
    }
}

/// `GET /v1/events`: the events of all jobs in one stream.
struct FeedRoutes: Sendable {
    let opener: StreamOpener

    func register(on routes: inout RouteTable) {
        routes.add("/v1/events", [.get: .needs(.read, orTicket: true, events, query: Self.query)])
    }

    private static let query = QueryNames(
        "format", "heartbeat", "heartbeat_seconds", repeatable: ["job", "pipeline", "type"]
    ).withCursor

    /// The only representation is Server-Sent Events, because NDJSON has no place for the feed's
    /// cursor.
    @Sendable private func events(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let query = Query(request)
        let options = try StreamOptions(
            query, onlyEventStream: AcceptHeader(request.headers[.accept]),
            heartbeat: opener.hub.configuration.heartbeat)
        let cursor = FeedCursor(query.cursor(of: request))
        return try await opener.open(
            try Self.filter(query, for: context.caller), for: context.caller, cursor: cursor, options: options,
            in: context.exchange)
    }

    private static func filter(_ query: Query, for caller: Caller) throws(Problem) -> FeedFilter {
        var filter = FeedFilter()
        for text in query.all("job") {
            guard let job = JobID(text) else { throw .badQuery("job", "is not a valid job id") }
            guard caller.mayRead(job) else { throw .noSuchJob }
            filter.jobs.insert(job)
        }
        // Without a filter, a ticket selects all of its jobs.
        if filter.jobs.isEmpty, let jobs = caller.jobs { filter.jobs = jobs }
        guard filter.jobs.count <= Limits.feedJobs else {
            throw .badQuery("job", "may occur at most \(Limits.feedJobs) times. Leave it out to follow all jobs")
        }
        for text in query.all("pipeline") {
            guard let pipeline = PipelineName(text) else {
                throw .badQuery("pipeline", "is not a valid pipeline name")
            }
            filter.pipelines.insert(pipeline)
        }
        for text in query.all("type") {
            guard let type = EventType(rawValue: text) else {
                throw .badQuery("type", "must be one of \(EventType.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            filter.types.insert(type)
        }
        return filter
    }
}

/// `GET /v1/diagnostics/stream`: a stream whose events contain the time at which they were written.
/// It reveals a proxy that buffers events.
struct DiagnosticsRoutes: Sendable {
    let opener: StreamOpener
    let clock: any WallClock

    func register(on routes: inout RouteTable) {
        routes.add("/v1/diagnostics/stream", [.get: .needs(.read, stream, query: Self.query)])
    }

    private static let query = QueryNames("events", "interval_ms", "format", "heartbeat", "heartbeat_seconds")

    @Sendable private func stream(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let query = Query(request)
        let options = try StreamOptions(
            query, onlyEventStream: AcceptHeader(request.headers[.accept]),
            heartbeat: opener.hub.configuration.heartbeat)
        let events = try query.integer("events", in: HTTPLimits.diagnosticsEvents) ?? 8
        let interval = try query.integer("interval_ms", in: HTTPLimits.diagnosticsIntervalMilliseconds) ?? 250
        guard .milliseconds(events * interval) <= HTTPLimits.diagnosticsTimeLimit else {
            throw Problem.badQuery(
                "interval_ms",
                "times “events” must be at most \(HTTPLimits.diagnosticsTimeLimit.components.seconds) seconds")
        }
        let plan = DiagnosticsPlan(events: events, interval: .milliseconds(interval), clock: clock)
        return try opener.open(plan, for: context.caller, options: options, in: context.exchange)
    }
}
