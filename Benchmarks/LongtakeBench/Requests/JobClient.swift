import LongtakeAPI
import LongtakeCore
import NIOCore
import NIOPosix

/// Submits jobs to a daemon, and asks how they stand.
struct JobDesk: Sendable {
    let port: Int

    /// How many connections submit at once.
    private static let connections = 64
    private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    static func submission(to pipeline: String, number: Int) -> ByteBuffer {
        RequestConnection.post(
            "/v1/jobs", #"{"pipeline":"\#(pipeline)","input":{"prompt":"a paper boat in the rain, number \#(number)"}}"#
        )
    }

    /// Submits `count` jobs, and returns them in no particular order.
    func submit(_ count: Int, to pipeline: String) async throws -> [SubmittedJob] {
        let connections = min(count, Self.connections)
        return try await withThrowingTaskGroup(of: [SubmittedJob].self) { group in
            for first in 0..<connections {
                group.addTask {
                    try await submit(Array(stride(from: first, to: count, by: connections)), to: pipeline)
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    private func submit(_ numbers: [Int], to pipeline: String) async throws -> [SubmittedJob] {
        let connection = try await RequestConnection.open(port: port, on: Self.group.next())
        var jobs: [SubmittedJob] = []
        for number in numbers {
            let answer = try await connection.send(Self.submission(to: pipeline, number: number)).get()
            guard answer.status == 201 else { throw BenchFailure(refusing: answer) }
            jobs.append(SubmittedJob(try answer.document(JobDocument.self)))
        }
        try await connection.close()
        return jobs
    }

    /// The number of each job's last event, by its id.
    func heads() async throws -> [String: UInt64] {
        let connection = try await RequestConnection.open(port: port, on: Self.group.next())
        var (heads, cursor): ([String: UInt64], String?) = ([:], nil)
        repeat {
            let page = try await connection.send(
                RequestConnection.get("/v1/jobs?limit=200" + (cursor.map { "&cursor=\($0)" } ?? ""))
            ).get().document(JobListDocument.self)
            for job in page.jobs {
                heads[job.id.description] = UInt64(clamping: job.lastEventID.sequence.rawValue)
            }
            cursor = page.next
        } while cursor != nil
        try await connection.close()
        return heads
    }

    /// Waits until every job has so many events.
    func awaitHeads(_ jobs: [SubmittedJob], atLeast least: UInt64, within seconds: Double) async throws {
        let deadline = Deadline(seconds)
        while true {
            let heads = try await heads()
            if jobs.allSatisfy({ heads[$0.id] ?? 0 >= least }) { return }
            guard !deadline.isOver else { throw BenchFailure("not all jobs had \(least) events within \(seconds) s") }
            try await Task.sleep(for: .milliseconds(500))
        }
    }
}

/// A job that this run has submitted.
struct SubmittedJob: Sendable {
    let id: String
    let epoch: String
    /// The path of its events.
    let path: String
}

extension SubmittedJob {
    /// - Parameter document: the response of the daemon.
    init(_ document: JobDocument) {
        id = document.id.description
        epoch = document.lastEventID.epoch.description
        path = APILinks().events(of: document.id)
    }
}
