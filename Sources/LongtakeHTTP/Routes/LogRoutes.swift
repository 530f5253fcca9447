import HTTPTypes
import Hummingbird
import LongtakeAPI
import LongtakeCore
import LongtakeStream
import NIOCore

/// `GET /v1/jobs/{id}/log`: the log of a stage as text, or as a stream that follows it.
struct LogRoutes: Sendable {
    let journal: any JobStore
    let logs: any StageLogReading
    let opener: StreamOpener

    func register(on routes: inout RouteTable) {
        routes.add("/v1/jobs/{id}/log", [.get: .needs(.read, orTicket: true, show, query: Self.query)])
    }

    /// The parameters of both representations. Those of the other representation have no effect.
    private static let query = QueryNames("stage", "format", "heartbeat", "heartbeat_seconds").withCursor

    @Sendable private func show(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let (query, accept) = (Query(request), AcceptHeader(request.headers[.accept]))
        let offered = [Self.mediaType, MediaTypes.eventStream]
        guard let type = accept.choose(from: offered) else {
            throw Problem.notAcceptable(offered.joined(separator: ", "))
        }
        guard let text = query["stage"], !text.isEmpty else {
            throw Problem.badQuery("stage", "must be the name of a stage")
        }
        guard let job = try await journal.job(try context.jobID(), of: context.caller.tenant) else {
            throw Problem.noSuchJob
        }
        guard let stage = StageName(text), job.stages.contains(where: { $0.name == stage }) else {
            throw Problem.noSuchStage
        }
        if type == MediaTypes.eventStream {
            let options = try StreamOptions(
                query, accept, type: type, heartbeat: opener.hub.configuration.heartbeat)
            let follower = StageLogFollower(
                job: job.id, tenant: job.tenant, stage: stage, journal: journal, logs: logs, hub: opener.hub)
            return try await opener.open(
                follower, for: context.caller, cursor: query.cursor(of: request), options: options,
                in: context.exchange)
        }
        let log = try await logs.log(of: job.id, stage: stage) ?? []
        return try Self.response(to: request.headers, log)
    }

    /// The text, or the requested range of it.
    static func response(to headers: HTTPFields, _ log: [UInt8]) throws(Problem) -> Response {
        var body = ByteBuffer(bytes: log)
        let length = Int64(body.readableBytes)
        // The text grows, so it has no tag, and no `If-Range` matches.
        let range = ByteRange(headers[.range], ifRange: headers[.ifRange], length: length)
        var response = Response(
            status: .ok,
            headers: [
                .contentType: "\(mediaType); charset=utf-8", .acceptRanges: "bytes", .cacheControl: "no-store",
                .contentSecurityPolicy: StoredContent.policy,
            ])
        switch range {
        case .whole: break
        case .part(let part):
            response.status = .partialContent
            response.headers[.contentRange] = range.contentRange(of: length)
            body = body.getSlice(at: body.readerIndex + Int(part.lowerBound), length: part.count) ?? ByteBuffer()
        case .unsatisfiable: throw .unsatisfiableRange(length)
        }
        response.body = .init(byteBuffer: body)
        return response
    }

    private static let mediaType = "text/plain"
}

extension Problem {
    static let noSuchStage = Problem(
        type: .notFound, status: .notFound, title: "No such stage", detail: "The job has no stage with this name.")
}
