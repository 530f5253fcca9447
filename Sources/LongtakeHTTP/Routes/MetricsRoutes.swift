import Hummingbird
import Logging
import LongtakeCore
import LongtakeStream
import NIOCore

/// `GET /metrics`: metrics for Prometheus. They cover all tenants, so they need the right `admin`.
///
/// A scrape costs as much as `GET /v1/queues`, at any number of jobs, streams and connections, and
/// writes nothing.
struct MetricsRoutes: Sendable {
    let journal: any Journal
    let hub: StreamHub
    let connections: ConnectionRegister
    let requests: RequestCounts
    let commits: CommitCounts
    let admission: Admission
    let version: String
    /// The number of workers of each configured queue.
    let workers: [QueueName: Int]
    let abandonedAttempts: @Sendable () -> Int
    let transfers: TransferCounts
    let files: @Sendable () -> FileUsage
    let process: @Sendable () -> ProcessUsage
    let droppedLogLines: @Sendable () -> Int

    func register(on routes: inout RouteTable) {
        routes.add("/metrics", [.get: .needs(.admin, metrics)])
    }

    /// The only format, whatever `Accept` says. Scrapers list formats that they prefer, and accept
    /// this one.
    @Sendable private func metrics(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let snapshot = MetricsSnapshot(
            version: version, isOpen: admission.isOpen, connections: connections.count, streams: hub.openStreams,
            requests: requests.values, commits: commits.values,
            unreadableJobs: journal.unreadableJobs, abandonedAttempts: abandonedAttempts(), workers: workers,
            queues: await queues(context),
            process: process(), transfers: transfers.values, files: files(), droppedLogLines: droppedLogLines())
        return Response(
            status: .ok, headers: [.contentType: Self.mediaType, .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(string: snapshot.text)))
    }

    private static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    /// `nil` if the database cannot be read. The other metrics matter most then.
    private func queues(_ context: DaemonRequestContext) async -> [QueueStatus]? {
        do {
            return try await journal.queues(of: nil)
        } catch {
            context.logger.warning("metrics do not contain the queues", metadata: ["error": "\(error)"])
            return nil
        }
    }
}
