import LongtakeDaemonDriver
import Testing

/// A client of one daemon, with a key, with a ticket or without both.
struct TestClient {
    let daemon: DaemonProcess
    /// The header lines of each request.
    var fields: [String] = []

    /// Creates a key with `longtake keys create` and lets the daemon reload its keys.
    static func make(_ daemon: DaemonProcess, tenant: String, rights: String = "read,submit") throws -> (
        client: TestClient, id: String
    ) {
        let (status, output) = try run(daemon, "create", "--tenant", tenant, "--rights", rights)
        try #require(status == 0, "\(output)")
        let key = try #require(output.split(separator: "\n").first { $0.hasPrefix("ltk_") })
        let client = TestClient(daemon: daemon, fields: ["Authorization: Bearer \(key)"])
        try reload(daemon) { try client.get("/v1/backups").status != 401 }
        return (client, String(key.dropFirst(4).prefix(12)))
    }

    static func run(_ daemon: DaemonProcess, _ arguments: String...) throws -> (status: CInt, output: String) {
        try DaemonProcess.run(["keys"] + arguments + ["--data", daemon.directory + "/data"])
    }

    /// Sends SIGHUP and waits until the reload has an effect.
    static func reload(_ daemon: DaemonProcess, until isDone: () throws -> Bool) throws {
        daemon.signal(1)
        let deadline = Deadline(20)
        while try !isDone() { try #require(!deadline.isOver, "the keys were not reloaded") }
    }

    func get(_ path: String, _ more: String...) throws -> Exchange { try ask("GET", path, more) }

    func post(_ path: String, _ body: String? = nil, _ more: String...) throws -> Exchange {
        try ask("POST", path, more, body)
    }

    func ask(_ method: String, _ path: String, _ more: [String] = [], _ body: String? = nil) throws -> Exchange {
        try daemon.connect().exchange(request(method, path, more, body))
    }

    func submit(_ body: String = #"{"input":{"prompt":"a paper boat in the rain"}}"#, _ more: String...) throws
        -> String
    {
        let answer = try ask("POST", "/v1/jobs", more, body)
        try #require(answer.status == 201 || answer.status == 200, "\(answer.body)")
        return try #require(try answer.object()["id"] as? String)
    }

    func stream(_ path: String, _ more: String...) throws -> EventReader {
        try EventReader(daemon.connect(), request("GET", path, ["Accept: text/event-stream"] + more, nil))
    }

    /// Requests a ticket for some jobs.
    func ticket(_ jobs: [String], seconds: Int? = nil) throws -> String {
        let list = jobs.map { "\"\($0)\"" }.joined(separator: ",")
        let answer = try post("/v1/tickets", "{\"jobs\":[\(list)]\(seconds.map { ",\"ttl_seconds\":\($0)" } ?? "")}")
        try #require(answer.status == 201, "\(answer.body)")
        return try #require(try answer.object()["ticket"] as? String)
    }

    private func request(_ method: String, _ path: String, _ more: [String], _ body: String?) -> String {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: localhost"] + fields + more
        if method != "GET" { lines.append("Content-Length: \(body?.utf8.count ?? 0)") }
        if body != nil { lines.append("Content-Type: application/json") }
        return lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? "")
    }
}
