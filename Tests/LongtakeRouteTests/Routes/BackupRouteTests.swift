import LongtakeDaemonDriver
import Testing

/// `/v1/backups`.
@Suite struct BackupRouteTests {
    @Test("begins a backup, and lists and shows it")
    func backup() async throws {
        try await LocalDaemon.run { daemon in
            #expect(try daemon.get("/v1/backups").body == "{\"backups\":[]}\n")
            let begun = try daemon.post("/v1/backups")
            #expect(begun.status == 202)
            let id = try begun.text("id")
            #expect(begun["location"] == "/v1/backups/\(id)")
            #expect(try daemon.get("/v1/backups/\(id)").text("state") == "done")
            #expect(try daemon.get("/v1/backups").body.contains(id))
        }
    }

    @Test("includes files only if the query says so, and refuses other values")
    func files() async throws {
        try await LocalDaemon.run { daemon in
            let without = try daemon.post("/v1/backups").object()
            #expect(without.keys.contains("files_path") && !(without["files_path"] is String))
            #expect(try daemon.post("/v1/backups?files=true").text("files_path") == "/dev/null.files")
            let refused = try daemon.post("/v1/backups?files=false").object()
            #expect(!(refused["files_path"] is String))
            #expect(try daemon.post("/v1/backups?files=1").status == 400)
        }
    }

    @Test("returns 404 for an unknown backup and 405 for an unknown method")
    func addresses() async throws {
        try await LocalDaemon.run { daemon in
            for id in ["backup-20261121T114502123Z", "..%2Flongtake", "backup-x"] {
                let answer = try daemon.get("/v1/backups/\(id)")
                #expect(answer.status == 404, "\(answer.body)")
            }
            #expect(try daemon.request("DELETE", "/v1/backups").status == 405)
        }
    }
}
