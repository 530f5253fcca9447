import GRDB
import Glibc
import LongtakeDaemonDriver
import Testing

/// How finished jobs are removed.
@Suite(.serialized) struct PruningTests {
    @Test("removes a finished job completely after its retention, and keeps active and recently finished jobs")
    func retention() async throws {
        try await onOwnThread {
            let quick = try DaemonProcess("--speed", "400")
            let old = try Self.submit(quick, key: "k-1")
            #expect(try quick.wholeLog(of: old).types.last == "job.succeeded")
            #expect(quick.stop() == 0)

            // At this speed the job still runs at the end of the test.
            let slow = try DaemonProcess("--speed", "0.1", directory: quick.directory, port: quick.port)
            let active = try slow.submit()
            #expect(slow.stop() == 0)
            try Self.age(slow, "UPDATE job SET created_at = created_at - 7200000, started_at = started_at - 7200000")
            try Self.age(slow, "UPDATE job SET finished_at = finished_at - 7200000 WHERE finished_at IS NOT NULL")

            let daemon = try DaemonProcess(
                "--speed", "0.1", environment: ["LONGTAKE_STORAGE_RETENTION_HOURS=1"], directory: quick.directory,
                port: quick.port)
            let canceled = try daemon.submit()
            #expect(
                try daemon.connect().exchange(
                    "POST /v1/jobs/\(canceled)/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
                ).status < 300)
            try Self.waitUntilPruned(daemon)

            #expect(try daemon.get("/v1/jobs/\(old)").status == 404)
            for type in ["text/event-stream", "application/x-ndjson", "application/json"] {
                #expect(try daemon.get("/v1/jobs/\(old)/events", "Accept: \(type)").status == 404)
            }
            let cancel = "POST /v1/jobs/\(old)/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
            #expect(try daemon.connect().exchange(cancel).status == 404)
            #expect(try Self.listed(daemon) == [canceled, active])
            #expect(try daemon.get("/v1/jobs/\(active)").object()["state"] as? String != "succeeded")
            let again = try Self.submit(daemon, key: "k-1")
            #expect(again != old, "its idempotency key can be used again")

            #expect(daemon.stop() == 0)
            try DatabaseFile(daemon.directory + "/data").check()
            let left = try Self.read(daemon) { db in
                try Int.fetchOne(db, sql: "SELECT count(DISTINCT job) FROM event")
            }
            #expect(left == 3, "the events of the job are removed too")
        }
    }

    @Test("above storage.max_gigabytes, removes a finished job early and keeps an active one")
    func size() async throws {
        try await onOwnThread {
            let quick = try DaemonProcess("--speed", "400")
            let finished = try quick.submit()
            #expect(try quick.wholeLog(of: finished).types.last == "job.succeeded")
            #expect(quick.stop() == 0)
            try Self.age(quick, "UPDATE job SET finished_at = finished_at - 60000")
            let daemon = try DaemonProcess(
                "--speed", "0.1", environment: ["LONGTAKE_STORAGE_MAX_GIGABYTES=0.00001"], directory: quick.directory,
                port: quick.port)
            let active = try daemon.submit()
            try Self.waitUntilPruned(daemon)
            #expect(try Self.listed(daemon) == [active])
            #expect(try daemon.get("/v1/jobs/\(finished)").status == 404)
        }
    }

    private static func submit(_ daemon: DaemonProcess, key: String) throws -> String {
        let body = #"{"input":{"prompt":"a boat"}}"#
        let response = try daemon.connect().exchange(
            "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: \(key)\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        try #require(response.status == 201, "\(response.body)")
        return try #require(try response.object()["id"] as? String)
    }

    private static func listed(_ daemon: DaemonProcess) throws -> [String] {
        try #require(try daemon.get("/v1/jobs").object()["jobs"] as? [Any]).compactMap {
            ($0 as? [String: Any])?["id"] as? String
        }
    }

    /// Waits for the log line about pruning.
    private static func waitUntilPruned(_ daemon: DaemonProcess) throws {
        let deadline = Deadline(20)
        while !daemon.log.contains("pruned finished jobs"), !deadline.isOver { poll(nil, 0, 5) }
        try #require(daemon.log.contains("pruned finished jobs"), "\(daemon.log)")
    }

    /// Changes the times in the database of a stopped daemon, so that its jobs are older.
    private static func age(_ daemon: DaemonProcess, _ sql: String) throws {
        let database = try DatabaseQueue(path: daemon.directory + "/data/longtake.db")
        try database.write { try $0.execute(sql: sql) }
        try database.close()
    }

    private static func read<Value>(_ daemon: DaemonProcess, _ body: (Database) throws -> Value) throws -> Value {
        var configuration = Configuration()
        configuration.readonly = true
        return try DatabaseQueue(path: daemon.directory + "/data/longtake.db", configuration: configuration).read(body)
    }
}
