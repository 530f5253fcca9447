import Hummingbird
import LongtakeCore
import LongtakeStream

/// `GET /v1/events`: the events of all jobs on one connection.
struct FeedRoutes: Sendable {
    let opener: StreamOpener

    func register(on routes: inout RouteTable) {
        routes.add("/v1/events", [.get: .needs(.read, orTicket: true, events, query: Self.query)])
    }

    private static let query = QueryNames(
        "format", "heartbeat", "heartbeat_seconds", repeatable: ["job", "pipeline", "type"]
    ).withCursor

    /// Only as Server-Sent Events: a line of NDJSON could not carry the position that a reader goes on from.
    @Sendable private func events(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let query = Query(request)
        let accept = Acceptance(request.headers[.accept])
        guard accept.choose(from: [MediaTypes.eventStream]) != nil else {
            throw Problem.notAcceptable(MediaTypes.eventStream)
        }
        let wish = try StreamOpener.Wish(
            query, accept, type: MediaTypes.eventStream, heartbeat: opener.hub.configuration.heartbeat)
        let cursor = FeedCursor(query.cursor(of: request))
        return try await opener.open(
            try Self.filter(query, for: context.caller), for: context.caller, cursor: cursor, wish: wish,
            in: context.exchange)
    }

    private static func filter(_ query: Query, for caller: Caller) throws(Problem) -> FeedFilter {
        var filter = FeedFilter()
        for text in query.all("job") {
            guard let job = JobID(text) else { throw .badQuery("job", "is not the id of a job") }
            guard caller.sees(job) else { throw .noSuchJob }
            filter.jobs.insert(job)
        }
        // All that a ticket is for, where nothing is picked out of it.
        if filter.jobs.isEmpty, let jobs = caller.jobs { filter.jobs = jobs }
        guard filter.jobs.count <= Limits.feedJobs else {
            throw .badQuery("job", "may be given \(Limits.feedJobs) times; without it all jobs are followed")
        }
        for text in query.all("pipeline") {
            guard let pipeline = PipelineName(text) else {
                throw .badQuery("pipeline", "is not the name of a pipeline")
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
