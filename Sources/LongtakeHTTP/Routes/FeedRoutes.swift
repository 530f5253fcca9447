import Hummingbird
import LongtakeCore
import LongtakeStream

/// `GET /v1/events`: the events of all jobs on one connection.
struct FeedRoutes: Sendable {
    let opener: StreamOpener

    func register(on routes: inout RouteTable) {
        routes.add("/v1/events", [.get: .needs(.read, events)])
    }

    /// Only as Server-Sent Events: a line of NDJSON could not carry the position that a reader goes on from.
    @Sendable private func events(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let query = Query(request)
        let accept = Acceptance(request.headers[.accept])
        guard accept.choose(from: [MediaTypes.eventStream]) != nil else {
            throw Problem.notAcceptable(MediaTypes.eventStream)
        }
        let wish = try StreamOpener.Wish(query, accept, type: MediaTypes.eventStream)
        let cursor = FeedCursor(query.cursor(of: request))
        return try await opener.open(
            try Self.filter(query), tenant: context.caller.tenant, cursor: cursor, wish: wish, in: context.exchange)
    }

    private static func filter(_ query: Query) throws(Problem) -> FeedFilter {
        var filter = FeedFilter()
        for text in query.all("job") {
            guard let job = JobID(text) else { throw .badQuery("job", "is not the id of a job") }
            filter.jobs.insert(job)
        }
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
