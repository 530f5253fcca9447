import GRDB
import LongtakeDaemonDriver
import Testing

/// What the routes return after a kill or a restart. The tests in LongtakeRouteTests have the
/// behaviour without one.
@Suite(.serialized) struct RestartTests {
    private static let idle = ["LONGTAKE_QUEUES_CPU_WORKERS=0"]

    @Test("a finished job has the same bytes in all representations after a restart")
    func representations() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "400")
            let id = try daemon.submit()
            let log = try daemon.wholeLog(of: id)
            try log.checkWhole()
            #expect(log.types.last == "job.succeeded")
            let path = "/v1/jobs/\(id)"
            let job = try daemon.get(path)
            let tag = try #require(job["etag"])
            let lines = try daemon.get("\(path)/events", "Accept: application/x-ndjson")
            let page = try daemon.get("\(path)/events", "Accept: application/json")
            #expect(lines.body == log.lines.map { $0 + "\n" }.joined())

            #expect(daemon.stop() == 0)
            try daemon.start()
            #expect(try daemon.wholeLog(of: id).lines == log.lines)
            #expect(try daemon.get("\(path)/events", "Accept: application/x-ndjson").body == lines.body)
            #expect(try daemon.get("\(path)/events", "Accept: application/json").body == page.body)
            #expect(try daemon.get(path).body == job.body)
            // The tag describes the stored job.
            #expect(try daemon.get(path, "If-None-Match: \(tag)").status == 304)
        }
    }

    @Test("the feed continues at the same position after a kill, because the positions are in the database")
    func feed() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "1000")
            let jobs = try (0..<2).map { _ in try daemon.submit() }
            for job in jobs { #expect(try daemon.wholeLog(of: job).types.last == "job.succeeded") }
            let count = try jobs.reduce(0) { try $0 + daemon.wholeLog(of: $1).lines.count }
            func events(after cursor: String, _ count: Int) throws -> [EventBlock] {
                let reader = try daemon.feed("?after=\(cursor)")
                #expect(try reader.next()?.event == "stream.hello")
                return try (0..<count).map { _ in try #require(try reader.next()) }
            }
            let before = try events(after: "0", count)
            daemon.kill()
            try daemon.start()
            let middle = try #require(before[count / 2 - 1].id)
            #expect(try events(after: middle, count - count / 2) == Array(before[(count / 2)...]))
        }
    }

    /// This test failed when a submission did not look up its key in its own transaction.
    @Test("fifty concurrent submissions with one key create one job, also after a kill")
    func idempotencyKey() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: Self.idle)
            let request = RequestText.submission(key: "k")
            var ids: Set<String> = []
            for life in 1...2 {
                let sockets = try (0..<50).map { _ in try daemon.connect() }
                for socket in sockets { try socket.send(request) }
                let answers = try sockets.map { try $0.readResponse() }
                for answer in answers {
                    ids.insert(try answer.text("id"))
                    let isReplay = answer["idempotent-replayed"] == "true"
                    #expect(answer.status == (isReplay ? 200 : 201), "\(answer.body)")
                }
                #expect(answers.count { $0.status == 201 } == (life == 1 ? 1 : 0))
                daemon.kill()
                try daemon.start()
            }
            #expect(ids.count == 1)
            let listed = try #require(try daemon.get("/v1/jobs").object()["jobs"] as? [Any])
            #expect(listed.count == 1)
            let other = try daemon.post("/v1/jobs", #"{"input":{"prompt":"a ship"}}"#, "Idempotency-Key: k")
            #expect(other.status == 422)
        }
    }

    @Test("a retry with a key happens once, also after a kill")
    func retryKey() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: Self.idle)
            let old = try daemon.submit()
            _ = try daemon.post("/v1/jobs/\(old)/cancel")
            let first = try daemon.post("/v1/jobs/\(old)/retry", nil, "Idempotency-Key: k")
            #expect(first.status == 201 && first["idempotent-replayed"] == nil)
            daemon.kill()
            try daemon.start()
            let again = try daemon.post("/v1/jobs/\(old)/retry", nil, "Idempotency-Key: k")
            #expect(again.status == 200 && again["idempotent-replayed"] == "true")
            #expect(try again.text("id") == first.text("id") && again["location"] == first["location"])
        }
    }

    /// This test failed when a submission did not check the count.
    @Test("the queued jobs of a tenant count against its limit, also after a kill")
    func queueLimit() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: Self.idle + ["LONGTAKE_LIMITS_QUEUED_JOBS_PER_TENANT=2"])
            for _ in 1...2 { _ = try daemon.submit() }
            #expect(try daemon.post("/v1/jobs", RequestText.boat).status == 429)
            daemon.kill()
            try daemon.start()
            #expect(try daemon.post("/v1/jobs", RequestText.boat).status == 429)
            let listed = try #require(try daemon.get("/v1/jobs?state=queued").object()["jobs"] as? [Any])
            #expect(listed.count == 2, "nothing was accepted beyond the limit")
        }
    }

    @Test("a paused queue stays paused after a kill, and a resume takes effect at once")
    func pause() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "10000")
            #expect(try daemon.post("/v1/queues/gpu/pause").status == 200)
            let id = try daemon.submit()
            let reader = try daemon.follow(id)
            // The first stage is on another queue.
            while let block = try reader.next(), block.event != "stage.succeeded" {}
            let waiting = #"{"name":"gpu","paused":true,"running":0,"waiting":1,"workers":2}"#
            #expect(try daemon.get("/v1/queues").body.contains(waiting))
            daemon.kill()
            try daemon.start()
            #expect(try daemon.get("/v1/queues").body.contains(waiting))
            let again = try daemon.follow(id)
            #expect(try daemon.post("/v1/queues/gpu/resume").status == 200)
            #expect(JobLog(try again.rest(within: 20)).types.last == "job.succeeded")
            #expect(daemon.stop() == 0)
            try Self.check(daemon)
        }
    }

    /// This test failed when the idempotency key stayed after the job was hidden.
    @Test("a deleted job stays deleted after a kill, and its rows are deleted later")
    func delete() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "10000", environment: ["LONGTAKE_QUEUES_GPU_WORKERS=0"])
            let body = #"{"input":{"prompt":"a boat"},"simulation":{"fail_stage":"moderate","fatal":true}}"#
            let id = try daemon.submit(body, "Idempotency-Key: k")
            #expect(try daemon.wholeLog(of: id).types.last == "job.failed")
            #expect(try daemon.request("DELETE", "/v1/jobs/\(id)").status == 204)
            daemon.kill()
            try Self.check(daemon)
            try daemon.start()
            #expect(try daemon.get("/v1/jobs/\(id)").status == 404)
            #expect(try !daemon.get("/v1/jobs").body.contains(id))
            let again = try daemon.post("/v1/jobs", body, "Idempotency-Key: k")
            #expect(try again.status == 201 && again.text("id") != id, "the idempotency key can be used again")

            let deadline = Deadline(20)
            while !daemon.log.contains("pruned finished jobs"), !deadline.isOver { _ = try daemon.get("/healthz") }
            #expect(daemon.stop() == 0)
            let database = try DatabaseQueue(path: daemon.directory + "/data/longtake.db")
            let left = try database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM job WHERE tenant = ''") }
            #expect(left == 0, "its rows are deleted too")
            try database.close()
            try Self.check(daemon)
        }
    }

    @Test("a ticket is valid after a kill")
    func ticket() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: Self.idle + ["LONGTAKE_AUTH_MODE=keys"])
            let owner = try daemon.makeClient(tenant: "acme")
            let job = try owner.submit()
            let ticket = try owner.ticket([job])
            for _ in 1...2 {
                #expect(try daemon.get("/v1/jobs/\(job)?ticket=\(ticket)").status == 200)
                #expect(try daemon.get("/v1/jobs?ticket=\(ticket)").status == 401)
                daemon.kill()
                try daemon.start()
            }
        }
    }

    /// Runs `longtake check` on the database of a stopped daemon.
    private static func check(_ daemon: DaemonProcess) throws {
        let (status, output) = try DaemonProcess.run(["check", "--data", daemon.directory + "/data"])
        #expect(status == 0, "\(output)")
    }
}
