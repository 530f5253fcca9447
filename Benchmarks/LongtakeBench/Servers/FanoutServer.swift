import LongtakeCore
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

/// Events as the daemon writes them, for servers that have none of their own: as many bytes, and a time cut to milliseconds as there.
struct SampleEvent: Sendable {
    let messageBytes: Int

    /// - Parameter microseconds: when it is published, since 1970.
    func json(_ sequence: UInt64, at microseconds: Int64) -> String {
        let message = String(repeating: "still rolling ", count: messageBytes / 14 + 1).prefix(messageBytes)
        let share = Double(sequence % 10_000) / 10_000
        return """
            {"id":"da9459a2-\(sequence)","type":"stage.progress","job":"job_01m7y2k6yc352wfzhxknsjny1m","seq":\(sequence),\
            "at":"\(Timestamp(millisecondsSince1970: microseconds / 1_000))","progress":\(share),"stage":"stage-1","index":1,"of":2,\
            "stage_progress":\(share),"message":"\(message)"}
            """
    }

    /// The event as a block of a stream.
    func block(_ sequence: UInt64, at microseconds: Int64) -> String {
        "id: da9459a2-\(sequence)\nevent: stage.progress\ndata: \(json(sequence, at: microseconds))\n\n"
    }
}
