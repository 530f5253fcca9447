import LongtakeAPI
import LongtakeCore
import NIOCore
import NIOPosix

/// Submits jobs to a daemon, and reads how many events they have.
struct JobClient: Sendable {
    let port: Int

    private static let maximumConnections = 64
    private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    static func submission(to pipeline: String, number: Int) -> ByteBuffer {
        HTTPConnection.post(
            "/v1/jobs", #"{"pipeline":"\#(pipeline)","input":{"prompt":"a paper boat in the rain, number \#(number)"}}"#
        )
    }

    /// Submits `count` jobs over several connections at once.
    /// - Returns: the jobs, in no particular order.
    func submit(_ count: Int, to pipeline: String) async throws -> [SubmittedJob] {
        let connections = min(count, Self.maximumConnections)
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
        let connection = try await HTTPConnection.open(port: port, on: Self.group.next())
        var jobs: [SubmittedJob] = []
        for number in numbers {
            let response = try await connection.send(Self.submission(to: pipeline, number: number)).get()
            guard response.status == 201 else { throw BenchFailure(rejectedSubmission: response) }
            jobs.append(SubmittedJob(try response.document(JobDocument.self)))
        }
        try await connection.close()
        return jobs
    }

    /// - Returns: the number of each job's last event, by the id of the job.
    func heads() async throws -> [String: UInt64] {
        let connection = try await HTTPConnection.open(port: port, on: Self.group.next())
        var (heads, cursor): ([String: UInt64], String?) = ([:], nil)
        repeat {
            let page = try await connection.send(
                HTTPConnection.get("/v1/jobs?limit=200" + (cursor.map { "&cursor=\($0)" } ?? ""))
            ).get().document(JobListDocument.self)
            for job in page.jobs {
                heads[job.id.description] = UInt64(clamping: job.lastEventID.sequence.rawValue)
            }
            cursor = page.next
        } while cursor != nil
        try await connection.close()
        return heads
    }

    /// Waits until every job has at least `count` events.
    func awaitHeads(_ jobs: [SubmittedJob], atLeast count: UInt64, within seconds: Double) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let heads = try await heads()
            if jobs.allSatisfy({ heads[$0.id] ?? 0 >= count }) { return }
            guard .now < deadline else { throw BenchFailure("not all jobs had \(count) events within \(seconds) s") }
            // Polls, because a stream for each job would change the memory that is measured next.
            try await Task.sleep(for: .milliseconds(500))
        }
    }
}

/// A job that the driver has submitted.
struct SubmittedJob: Sendable {
    let id: String
    let epoch: String
    /// The path of its events.
    let path: String
}

extension SubmittedJob {
    /// - Parameter document: the body of the daemon's response.
    fileprivate init(_ document: JobDocument) {
        id = document.id.description
        epoch = document.lastEventID.epoch.description
        path = APILinks().events(of: document.id)
    }
}

extension BenchFailure {
    init(rejectedSubmission response: Response) {
        self.init("a submission received status \(response.status): \(String(buffer: response.body))")
    }
}
