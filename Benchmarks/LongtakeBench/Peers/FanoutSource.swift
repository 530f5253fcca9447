import NIOCore

/// A server that tells many readers the same numbered events.
protocol FanoutSource: Sendable {
    var port: Int { get }
    var meter: ProcessMeter { get }
    /// What each watcher asks for.
    var plan: WatchPlan { get }

    /// Begins to tell the events, where the server does not do so by itself.
    func begin(for group: WatcherGroup) async throws
    func stop() async throws
}

/// The daemon with one running job.
struct DaemonSource: FanoutSource {
    let daemon: DaemonUnderTest
    let job: SubmittedJob

    /// - Parameter pipeline: `bench` for a job that tells events, `quiet` for one that waits.
    static func start(
        _ options: DaemonOptions, _ settings: BenchSettings, pipeline: String = "bench", in directory: String
    ) async throws -> DaemonSource {
        let daemon = try await options.open(settings, in: directory)
        let jobs = try await JobDesk(port: daemon.port).submit(1, to: pipeline)
        return DaemonSource(daemon: daemon, job: jobs[0])
    }

    var port: Int { daemon.port }
    var meter: ProcessMeter { daemon.meter }
    var plan: WatchPlan { WatchPlan(job, number: 0) }

    func begin(for group: WatcherGroup) async throws {}

    func stop() async throws { try await daemon.stop() }
}
