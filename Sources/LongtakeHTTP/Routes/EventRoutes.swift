import Hummingbird
import LongtakeCore
import LongtakeStream
import NIOCore

/// `GET /v1/jobs/{id}/events`: one log in three representations.
struct EventRoutes: Sendable {
    let journal: any Journal
    let hub: StreamHub
    let opener: StreamOpener

    func register(on routes: inout RouteTable) {
        routes.add("/v1/jobs/{id}/events", [.get: .needs(.read, orTicket: true, events, query: Self.query)])
    }

    /// Of all representations; those that are another's than the one that is asked for change nothing.
    private static let query = QueryNames("format", "heartbeat", "heartbeat_seconds", "limit", "wait").withCursor

    @Sendable private func events(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let query = Query(request)
        let accept = Acceptance(request.headers[.accept])
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
        let wish = try StreamOpener.Wish(query, accept, type: type, heartbeat: hub.configuration.heartbeat)
        return try await opener.open(
            job, for: context.caller, cursor: cursor, wish: wish, in: context.exchange)
    }

    /// One page of the log; with `?wait=` as soon as there is something in it.
    private func page(
        of job: JobID, for caller: Caller, after cursor: Cursor, _ query: Query, in exchange: RequestExchange
    ) async throws -> Response {
        let limit = try query.integer("limit", in: 1...Limits.eventsPerClientPage) ?? Limits.eventsPerPage
        let wait = try query.integer("wait", in: 0...Limits.waitSeconds) ?? 0
        @Sendable func read(_ after: EventSequence, _ limit: Int) async throws -> EventPage {
            guard let page = try await journal.events(of: job, of: caller.tenant, after: after, limit: limit) else {
                throw Problem.noSuchJob
            }
            return page
        }
        let head = try await read(.beforeFirst, 1).head
        let after: EventSequence
        switch cursor.resolve(epoch: journal.epoch, head: head) {
        case .after(let sequence):
            after = sequence
        case .refused(.malformed):
            throw Problem.badRequest("The cursor is not an event id.")
        case .refused:
            throw Problem(
                kind: "cursor-gone", status: .gone, title: "Cursor gone",
                detail:
                    "This log has no such event: it belongs to another database, or is ahead of this one. Read the job again."
            )
        }
        var page = try await read(after, limit)
        if page.events.isEmpty && !page.isFinal && wait > 0 {
            guard let place = hub.takeWait(of: caller.owner.account) else { throw Problem.tooManyWaits }
            defer { withExtendedLifetime(place) {} }
            try await hub.waitForEvent(
                of: job, behind: after, upTo: .seconds(wait), ending: exchange.whenReaderLeaves
            ) {
                try await read(after, 1).head > after
            }
            page = try await read(after, limit)
        }
        return .json(bytes: Self.document(page, after: after, epoch: journal.epoch).utf8)
    }

    /// Put together from the events' own texts, since these are the same bytes everywhere.
    private static func document(_ page: EventPage, after: EventSequence, epoch: Epoch) -> String {
        let last = page.events.last?.sequence ?? after
        let isFinished = page.isFinal && last == page.head
        return "{\"events\":[" + page.events.map(\.json).joined(separator: ",")
            + "],\"last_event_id\":\"\(EventID(epoch: epoch, sequence: last))\","
            + "\"head\":\"\(EventID(epoch: epoch, sequence: page.head))\",\"finished\":\(isFinished)}"
    }
}
