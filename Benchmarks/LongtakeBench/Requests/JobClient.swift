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

extension JobClient {
    /// Waits until all of these jobs have ended with success.
    /// - Parameter pause: the time between two looks at a job.
    func awaitSuccess(
        of jobs: [SubmittedJob], within seconds: Double, pause: Duration = .milliseconds(200)
    ) async throws -> [JobDocument] {
        let connection = try await HTTPConnection.open(port: port, on: Self.group.next())
        let deadline = ContinuousClock.now + .seconds(seconds)
        var documents: [JobDocument] = []
        for job in jobs {
            while true {
                let document = try await connection.send(HTTPConnection.get("/v1/jobs/\(job.id)")).get()
                    .document(JobDocument.self)
                if document.state == .succeeded {
                    documents.append(document)
                    break
                }
                guard !document.state.isFinal, .now < deadline else {
                    throw BenchFailure(
                        "a job is \(document.state.rawValue) after \(seconds) s: \(document.error?.message ?? "no error")"
                    )
                }
                // Polls, because a stream would change the processor time that is measured.
                try await Task.sleep(for: pause)
            }
        }
        try await connection.close()
        return documents
    }

    /// The log of the stage `run`.
    func log(of job: SubmittedJob) async throws -> String {
        let connection = try await HTTPConnection.open(port: port, on: Self.group.next())
        let request = "GET /v1/jobs/\(job.id)/log?stage=run HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/plain\r\n\r\n"
        let response = try await connection.send(ByteBuffer(string: request)).get()
        try await connection.close()
        guard response.status == 200 else { throw BenchFailure("a log received status \(response.status)") }
        return String(buffer: response.body)
    }

    /// Cancels a job, and waits until it has ended.
    func cancel(_ job: SubmittedJob, within seconds: Double) async throws {
        let connection = try await HTTPConnection.open(port: port, on: Self.group.next())
        _ = try await connection.send(HTTPConnection.post("/v1/jobs/\(job.id)/cancel", "{}")).get()
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let document = try await connection.send(HTTPConnection.get("/v1/jobs/\(job.id)")).get()
                .document(JobDocument.self)
            if document.state.isFinal { break }
            guard .now < deadline else { throw BenchFailure("a canceled job was still running after \(seconds) s") }
            // The end of a cancelled program is polled, as above.
            try await Task.sleep(for: .milliseconds(100))
        }
        try await connection.close()
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
