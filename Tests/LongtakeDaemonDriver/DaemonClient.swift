import Testing

/// Sends requests to a daemon, each on a new connection.
///
/// A ``TestDaemon`` is also a client of itself, which has no key. A ``TestClient`` adds header
/// lines, such as a key.
package protocol DaemonClient {
    /// The header lines of each request.
    var fields: [String] { get }

    /// Opens a connection to the daemon.
    /// - Parameter receiveBuffer: see ``Socket/init(port:receiveBuffer:)``.
    func connect(receiveBuffer: CInt?) throws -> Socket
}

extension DaemonClient {
    package var fields: [String] { [] }

    package func connect() throws -> Socket { try connect(receiveBuffer: nil) }

    /// The text of a request with the header lines of this client.
    package func text(_ method: String, _ path: String, _ more: [String] = [], body: String? = nil) -> String {
        RequestText.of(method, path, fields + more, body: body)
    }

    // MARK: Requests with one response

    /// Sends a request and reads the complete response.
    /// - Parameter more: header lines for this request only.
    package func exchange(
        _ method: String, _ path: String, _ more: [String] = [], body: String? = nil, within seconds: Double = 30
    ) throws -> Exchange {
        try connect().exchange(text(method, path, more, body: body), isHead: method == "HEAD", within: seconds)
    }

    /// Sends a request without a body.
    package func request(
        _ method: String, _ path: String, _ more: String..., within seconds: Double = 30
    ) throws -> Exchange {
        try exchange(method, path, more, within: seconds)
    }

    package func get(_ path: String, _ more: String..., within seconds: Double = 30) throws -> Exchange {
        try exchange("GET", path, more, within: seconds)
    }

    /// - Parameter body: JSON; `nil` for a request without a body.
    package func post(
        _ path: String, _ body: String? = nil, _ more: String..., within seconds: Double = 30
    ) throws -> Exchange {
        try exchange("POST", path, more, body: body, within: seconds)
    }

    /// Submits a job, or repeats a submission with its idempotency key.
    /// - Returns: the id of the job.
    package func submit(_ body: String = RequestText.boat, _ more: String...) throws -> String {
        let response = try exchange("POST", "/v1/jobs", more, body: body)
        let isRepeated = response["idempotent-replayed"] != nil
        try #require(response.status == (isRepeated ? 200 : 201), "\(response.body)")
        return try response.text("id")
    }

    /// Requests a ticket for some jobs.
    package func ticket(_ jobs: [String], seconds: Int? = nil) throws -> String {
        let list = jobs.map { "\"\($0)\"" }.joined(separator: ",")
        let answer = try post("/v1/tickets", "{\"jobs\":[\(list)]\(seconds.map { ",\"ttl_seconds\":\($0)" } ?? "")}")
        try #require(answer.status == 201, "\(answer.body)")
        return try answer.text("ticket")
    }

    package func metrics() throws -> Exposition {
        let answer = try get("/metrics")
        try #require(answer.status == 200, "\(answer.body)")
        return try Exposition(answer.body)
    }

    /// The number of jobs that were submitted to a daemon without workers. Each job is then one
    /// event of the feed.
    /// - Parameter socket: the connection for the request; `nil` for a new one.
    package func submissions(on socket: Socket? = nil) throws -> Int {
        let list = try (socket ?? connect()).exchange(text("GET", "/v1/jobs?limit=1"))
        let position = try list.text("last_event_id").split(separator: "g").last
        return try #require(position.flatMap { Int($0) })
    }

    // MARK: Streams

    /// Opens a stream of a job's events.
    package func follow(_ job: String, _ query: String = "", _ more: String...) throws -> EventReader {
        try EventReader(connect(), text("GET", "/v1/jobs/\(job)/events\(query)", more))
    }

    /// Opens a stream of the events of all jobs.
    package func feed(_ query: String = "", _ more: String..., receiveBuffer: CInt? = nil) throws -> EventReader {
        try EventReader(connect(receiveBuffer: receiveBuffer), text("GET", "/v1/events\(query)", more))
    }

    /// Opens a stream as a browser does, which accepts nothing else.
    package func stream(_ path: String, _ more: String...) throws -> EventReader {
        try EventReader(connect(), text("GET", path, ["Accept: text/event-stream"] + more))
    }

    /// Follows a job to its end.
    package func wholeLog(of job: String) throws -> JobLog { JobLog(try follow(job).rest()) }
}
