import LongtakeCore

/// A server that sends the same numbered events to many watchers.
protocol FanoutServer: Sendable {
    var port: Int { get }
    var meter: ProcessMeter { get }
    /// The request of each watcher.
    var request: StreamRequest { get }

    /// Begins to publish events. It does nothing if the server publishes them by itself.
    func begin(for group: WatcherGroup) async throws
    func stop() async throws
}

/// The daemon with one job.
struct DaemonFanout: FanoutServer {
    let daemon: DaemonUnderTest
    let job: SubmittedJob

    /// - Parameter pipeline: `bench` for a running job with events, `quiet` for a job that waits.
    static func start(
        _ options: DaemonOptions, _ settings: DaemonSettings, pipeline: String = "bench", in directory: String
    ) async throws -> DaemonFanout {
        let daemon = try await options.open(settings, in: directory)
        let jobs = try await JobClient(port: daemon.port).submit(1, to: pipeline)
        return DaemonFanout(daemon: daemon, job: jobs[0])
    }

    var port: Int { daemon.port }
    var meter: ProcessMeter { daemon.meter }
    var request: StreamRequest { StreamRequest(job, number: 0) }

    func begin(for group: WatcherGroup) async throws {}

    func stop() async throws { try await daemon.stop() }
}

/// The events of servers that have none of their own. They are as long as the daemon's, and their
/// times are also truncated to milliseconds.
struct SampleEvent: Sendable {
    let messageBytes: Int

    /// - Parameter microseconds: the time of the publication, since 1970.
    func json(_ sequence: UInt64, at microseconds: Int64) -> String {
        let message = String(repeating: "still rolling ", count: messageBytes / 14 + 1).prefix(messageBytes)
        let share = Double(sequence % 10_000) / 10_000
        return """
            {"id":"da9459a2-\(sequence)","type":"stage.progress","job":"job_01m7y2k6yc352wfzhxknsjny1m","seq":\(sequence),\
            "at":"\(Timestamp(millisecondsSince1970: microseconds / 1_000))","progress":\(share),"stage":"stage-1","index":1,"of":2,\
            "stage_progress":\(share),"message":"\(message)"}
            """
    }

    /// The event as a block of an event stream.
    func block(_ sequence: UInt64, at microseconds: Int64) -> String {
        "id: da9459a2-\(sequence)\nevent: stage.progress\ndata: \(json(sequence, at: microseconds))\n\n"
    }
}
