import LongtakeDaemonDriver
import Testing

/// Compares the daemon's responses with its OpenAPI document.
@Suite struct DocumentTests {
    @Test("serves the document of this version without a key")
    func version() async throws {
        try await LocalDaemon.run { daemon in
            let answer = try daemon.get("/openapi.json")
            #expect(answer.status == 200)
            #expect(answer["content-type"] == "application/json")
            let document = try answer.object()
            #expect(document["openapi"] as? String == "3.1.0")
            let info = try #require(document["info"] as? [String: Any])
            #expect(try info["version"] as? String == daemon.get("/healthz").object()["version"] as? String)
            #expect(try daemon.get("/openapi.json", "Accept: text/html").status == 406)
        }
    }

    // This test failed when the schema had another name for a member of the job, and when it
    // declared a time as a number.
    @Test("responses have exactly the members in the document")
    func answers() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let check = SchemaCheck(try daemon.get("/openapi.json").object())
            func expect(_ schema: String, _ answer: Exchange) throws {
                #expect(check.problems(with: try answer.object(), as: schema) == [], "\(answer.body)")
            }
            let id = try daemon.submit()
            try expect("Job", daemon.get("/v1/jobs/\(id)"))
            _ = try daemon.wholeLog(of: id)
            try expect("Job", daemon.get("/v1/jobs/\(id)"))
            try expect("JobList", daemon.get("/v1/jobs"))
            try expect("EventPage", daemon.get("/v1/jobs/\(id)/events", "Accept: application/json"))
            try expect("PipelineList", daemon.get("/v1/pipelines"))
            try expect("Backup", daemon.post("/v1/backups"))
            try expect("BackupList", daemon.get("/v1/backups"))
            try expect("ArtifactList", daemon.get("/v1/jobs/\(id)/artifacts"))
            try expect("File", daemon.post("/v1/files", "x"))
            try expect("FileList", daemon.get("/v1/files"))
            try expect("Problem", daemon.get("/v1/jobs?limit=0"))
            try expect("Problem", daemon.get("/nowhere"))
            try expect("Problem", daemon.post("/v1/jobs", #"{"x":1}"#))
            try expect("Problem", daemon.connect().exchange("no HTTP\r\n\r\n"))
        }
    }
}
