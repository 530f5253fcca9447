import FoundationEssentials
import LongtakeDaemonDriver
import Testing

/// Tickets, as the `EventSource` of a web page uses them.
@Suite(.serialized) struct TicketTests {
    // This test failed when the route table accepted a ticket for every job.
    @Test("a ticket allows any number of reads of its jobs and nothing else, also after a restart")
    func scope() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(
                "--speed", "100", "--log-level", "debug", environment: ["LONGTAKE_AUTH_MODE=keys"])
            let owner = try TestClient.make(daemon, tenant: "acme").client
            let (one, two, third) = (try owner.submit(), try owner.submit(), try owner.submit())
            let ticket = try owner.ticket([one, two])
            let page = TestClient(daemon: daemon)
            for _ in 0..<2 {
                let log = try page.stream("/v1/jobs/\(one)/events?ticket=\(ticket)").rest()
                #expect(log.last?.event == "job.succeeded")
                #expect(try page.get("/v1/jobs/\(two)?ticket=\(ticket)").status == 200)
                #expect(try page.get("/v1/jobs/\(third)?ticket=\(ticket)").status == 404)
                #expect(try page.get("/v1/jobs/\(third)/events?ticket=\(ticket)").status == 404)
                for (method, path) in [
                    ("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("POST", "/v1/jobs/\(one)/cancel"),
                    ("POST", "/v1/tickets"),
                    ("GET", "/v1/pipelines"), ("GET", "/v1/backups"),
                ] {
                    #expect(try page.ask(method, path + "?ticket=\(ticket)").status == 401, "\(method) \(path)")
                }
                daemon.kill()
                try daemon.start()
            }
            let feed = try page.stream("/v1/events?after=0&type=job.queued&ticket=\(ticket)")
            _ = try feed.next()
            let seen = [try feed.next(), try feed.next()].compactMap { $0?.data }
            #expect(seen.count == 2 && seen[0].contains(one) && seen[1].contains(two))
            #expect(try page.get("/v1/events?job=\(third)&ticket=\(ticket)").status == 404)
            for broken in ["", "x", String(ticket.dropLast(4)), "a.b.c", ticket + "x"] {
                #expect(try page.get("/v1/jobs/\(one)?ticket=\(broken)").status == 401, "\(broken)")
            }
            // The log lines name every request, but contain no part of the ticket.
            #expect(daemon.log.contains("/v1/jobs/\(one)/events"))
            #expect(!daemon.log.contains(ticket.suffix(20)) && !daemon.log.contains("ticket="))
        }
    }

    @Test("a submission can request a link that a browser can open")
    func link() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "100", environment: ["LONGTAKE_AUTH_MODE=keys"])
            let owner = try TestClient.make(daemon, tenant: "acme").client
            let body = #"{"input":{"prompt":"a"}}"#
            let answer = try owner.post("/v1/jobs?ticket_ttl_seconds=60", body)
            let link = try #require((try answer.object()["links"] as? [String: Any])?["events"] as? String)
            #expect(link.contains("/events?ticket="))
            #expect(try TestClient(daemon: daemon).stream(link).rest().last?.event == "job.succeeded")
            #expect(try !owner.post("/v1/jobs", body).body.contains("ticket="))
            #expect(try owner.post("/v1/jobs?ticket_ttl_seconds=0", body).status == 400)
            let writer = try TestClient.make(daemon, tenant: "acme", rights: "submit").client
            #expect(try writer.post("/v1/jobs?ticket_ttl_seconds=60", body).status == 403)
        }
    }

    // This test failed without `lifetime` in the stream's deadlines, and when `isAuthorized` did
    // not check which secret signed the ticket.
    @Test("a ticket expires, and removing a secret invalidates all its tickets")
    func end() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "100", environment: ["LONGTAKE_AUTH_MODE=keys"])
            let owner = try TestClient.make(daemon, tenant: "acme").client
            let job = try owner.submit()
            let page = TestClient(daemon: daemon)
            let short = try owner.ticket([job], seconds: 1)
            let deadline = Deadline(20)
            while try page.get("/v1/jobs/\(job)?ticket=\(short)").status == 200 { try #require(!deadline.isOver) }
            // A feed has no end, so the expiry of the ticket ends it.
            let expiring = try page.stream("/v1/events?ticket=\(try owner.ticket([job], seconds: 1))")
            #expect(try expiring.rest(within: 20).last?.data == #"{"type":"stream.end","reason":"unauthorized"}"#)
            let expired = try page.get("/v1/jobs/\(job)?ticket=\(short)")
            #expect(expired.status == 401 && expired.body.contains("ticket-expired"))

            let ticket = try owner.ticket([job])
            #expect(try TestClient.run(daemon, "rotate").status == 0)
            try TestClient.reload(daemon) { daemon.log.contains("reloaded the API keys") }
            let deadlineOfNew = Deadline(20)
            while try owner.ticket([job]).prefix(12) == ticket.prefix(12) { try #require(!deadlineOfNew.isOver) }
            #expect(try page.get("/v1/jobs/\(job)?ticket=\(ticket)").status == 200)
            let feed = try page.stream("/v1/events?ticket=\(ticket)")
            #expect(try feed.next()?.event == "stream.hello")
            let own = try owner.stream("/v1/events")
            #expect(try own.next()?.event == "stream.hello")
            #expect(try TestClient.run(daemon, "rotate", "--revoke-tickets").status == 0)
            try TestClient.reload(daemon) { try page.get("/v1/jobs/\(job)?ticket=\(ticket)").status == 401 }
            #expect(try feed.rest(within: 20).last?.data == #"{"type":"stream.end","reason":"unauthorized"}"#)
            #expect(try owner.get("/v1/jobs/\(job)").status == 200)
            let next = try owner.submit()
            // The first job may not have ended, and a heartbeat has no data.
            var event = try own.next()
            while let other = event, other.data?.contains(next) != true { event = try own.next() }
            #expect(event?.event == "job.queued")
        }
    }

    // This test failed when the new secret had the time of the clock: the old secret still signed.
    @Test("a new secret signs even if the clock was set back since the previous one")
    func clockSetBack() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "100", environment: ["LONGTAKE_AUTH_MODE=keys"])
            let owner = try TestClient.make(daemon, tenant: "acme").client
            let job = try owner.submit()
            let ticket = try owner.ticket([job])
            let file = daemon.directory + "/data/keys.json"
            let data = try #require(FileManager.default.contents(atPath: file))
            let later = String(decoding: data, as: UTF8.self).replacing(
                "\"created_at\":\"20", with: "\"created_at\":\"21")
            #expect(later.contains("\"21"))
            try Data(later.utf8).write(to: URL(fileURLWithPath: file))
            #expect(try TestClient.run(daemon, "rotate").status == 0)
            try TestClient.reload(daemon) { try owner.ticket([job]).prefix(12) != ticket.prefix(12) }
            #expect(try TestClient(daemon: daemon).get("/v1/jobs/\(job)?ticket=\(ticket)").status == 200)
        }
    }

    @Test(
        "a rejected ticket request names the error",
        arguments: [
            ("{}", "/jobs"), (#"{"jobs":[]}"#, "/jobs"), (#"{"jobs":["x"]}"#, "/jobs/0"),
            (#"{"jobs":["job_00000000000000000000000000"]}"#, "/jobs/0"),
            (#"{"jobs":[],"ttl_seconds":0}"#, "/ttl_seconds"), (#"{"jobs":[],"ttl_seconds":604801}"#, "/ttl_seconds"),
            (#"{"jobs":[],"ttl_seconds":1.5}"#, "/ttl_seconds"), (#"{"jobs":[],"a":1}"#, "/a"),
        ])
    func mistakes(_ body: String, _ pointer: String) async throws {
        try await onOwnThread {
            let answer = try TestClient(daemon: try SharedDaemon.get()).post("/v1/tickets", body)
            #expect(answer.status == 422)
            #expect(answer.body.contains("\"pointer\":\"\(pointer)\""), "\(answer.body)")
        }
    }
}

/// One daemon for all tests that leave no data in it.
enum SharedDaemon {
    private static let daemon = Result { try DaemonProcess("--speed", "100") }

    static func get() throws -> DaemonProcess { try daemon.get() }
}
