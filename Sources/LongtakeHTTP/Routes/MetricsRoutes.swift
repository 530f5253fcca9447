import Hummingbird
import Logging
import LongtakeCore
import LongtakeStream
import NIOCore

/// `GET /metrics`: numbers for Prometheus. They tell of all tenants together, so they are for administrators.
///
/// A scrape costs the same as `GET /v1/queues`, at any number of jobs, streams and connections, and writes nothing.
struct MetricsRoutes: Sendable {
    let journal: any Journal
    let hub: StreamHub
    let connections: ConnectionRegister
    let requests: RequestCounts
    let commits: CommitCounts
    let admission: Admission
    let version: String
    /// Of each queue that is configured.
    let workers: [QueueName: Int]
    let abandonedAttempts: @Sendable () -> Int
    let process: @Sendable () -> ProcessUsage
    let droppedLogLines: @Sendable () -> Int

    func register(on routes: inout RouteTable) {
        routes.add("/metrics", [.get: .needs(.admin, metrics)])
    }

    /// One form, whatever `Accept` says: scrapers name forms that they would rather have, and take this one.
    @Sendable private func metrics(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let reading = MetricsReading(
            version: version, isOpen: admission.isOpen, connections: connections.count, streams: hub.openStreams,
            requests: requests.values, commits: commits.values,
            unreadableJobs: journal.unreadableJobs, abandonedAttempts: abandonedAttempts(), workers: workers,
            queues: await queues(context),
            process: process(), droppedLogLines: droppedLogLines())
        return Response(
            status: .ok, headers: [.contentType: Self.mediaType, .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(string: reading.text)))
    }

    private static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    /// Where the database cannot be read, the other numbers are wanted most.
    private func queues(_ context: DaemonRequestContext) async -> [QueueStatus]? {
        do {
            return try await journal.queues(of: nil)
        } catch {
            context.logger.warning("metrics are without the queues", metadata: ["error": "\(error)"])
            return nil
        }
    }
}
