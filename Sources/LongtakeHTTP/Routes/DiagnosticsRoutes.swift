import Hummingbird
import LongtakeCore
import LongtakeStream

/// `GET /v1/diagnostics/stream`: a stream that says when each of its events was written, for finding a proxy that holds events back.
struct DiagnosticsRoutes: Sendable {
    let opener: StreamOpener
    let clock: any WallClock

    func register(on routes: inout RouteTable) {
        routes.add("/v1/diagnostics/stream", [.get: .needs(.read, stream, query: Self.query)])
    }

    private static let query = QueryNames("events", "interval_ms", "format", "heartbeat", "heartbeat_seconds")

    @Sendable private func stream(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let query = Query(request)
        let accept = Acceptance(request.headers[.accept])
        guard accept.choose(from: [MediaTypes.eventStream]) != nil else {
            throw Problem.notAcceptable(MediaTypes.eventStream)
        }
        let wish = try StreamOpener.Wish(
            query, accept, type: MediaTypes.eventStream, heartbeat: opener.hub.configuration.heartbeat)
        let events = try query.integer("events", in: Limits.diagnosticsEvents) ?? 8
        let interval = try query.integer("interval_ms", in: Limits.diagnosticsIntervalMilliseconds) ?? 250
        guard .milliseconds(events * interval) <= Limits.diagnosticsMost else {
            throw Problem.badQuery(
                "interval_ms", "times “events” must be at most \(Limits.diagnosticsMost.components.seconds) seconds")
        }
        let plan = DiagnosticsPlan(events: events, interval: .milliseconds(interval), clock: clock)
        return try opener.open(plan, for: context.caller, wish: wish, in: context.exchange)
    }
}
