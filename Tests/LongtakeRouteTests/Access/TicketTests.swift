import LongtakeDaemonDriver
import Testing

/// Tickets, as the `EventSource` of a web page uses them.
@Suite struct TicketTests {
    // This test failed when the route table accepted a ticket for every job.
    @Test("a ticket allows any number of reads of its jobs and nothing else")
    func scope() async throws {
        try await LocalDaemon.run(
            "--speed", "1000", "--log-level", "debug", environment: ["LONGTAKE_AUTH_MODE=keys"]
        ) { daemon in
            let owner = try daemon.makeClient(tenant: "acme")
            let (one, two, third) = (try owner.submit(), try owner.submit(), try owner.submit())
            let ticket = try owner.ticket([one, two])
            for _ in 0..<2 {
                let log = try daemon.stream("/v1/jobs/\(one)/events?ticket=\(ticket)").rest()
                #expect(log.last?.event == "job.succeeded")
                #expect(try daemon.get("/v1/jobs/\(two)?ticket=\(ticket)").status == 200)
                #expect(try daemon.get("/v1/jobs/\(third)?ticket=\(ticket)").status == 404)
                #expect(try daemon.get("/v1/jobs/\(third)/events?ticket=\(ticket)").status == 404)
                for (method, path) in [
                    ("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("POST", "/v1/jobs/\(one)/cancel"),
                    ("POST", "/v1/tickets"),
                    ("GET", "/v1/pipelines"), ("GET", "/v1/backups"),
                ] {
                    #expect(try daemon.request(method, path + "?ticket=\(ticket)").status == 401, "\(method) \(path)")
                }
            }
            let feed = try daemon.stream("/v1/events?after=0&type=job.queued&ticket=\(ticket)")
            _ = try feed.next()
            let seen = [try feed.next(), try feed.next()].compactMap { $0?.data }
            #expect(seen.count == 2 && seen[0].contains(one) && seen[1].contains(two))
            #expect(try daemon.get("/v1/events?job=\(third)&ticket=\(ticket)").status == 404)
            for broken in ["", "x", String(ticket.dropLast(4)), "a.b.c", ticket + "x"] {
                #expect(try daemon.get("/v1/jobs/\(one)?ticket=\(broken)").status == 401, "\(broken)")
            }
            // The log lines name every request, but contain no part of the ticket.
            #expect(daemon.log.contains("/v1/jobs/\(one)/events"))
            #expect(!daemon.log.contains(ticket.suffix(20)) && !daemon.log.contains("ticket="))
        }
    }

    @Test("a submission can request a link that a browser can open")
    func link() async throws {
        try await LocalDaemon.run("--speed", "1000", environment: ["LONGTAKE_AUTH_MODE=keys"]) { daemon in
            let owner = try daemon.makeClient(tenant: "acme")
            let body = #"{"input":{"prompt":"a"}}"#
            let answer = try owner.post("/v1/jobs?ticket_ttl_seconds=60", body)
            let link = try #require((try answer.object()["links"] as? [String: Any])?["events"] as? String)
            #expect(link.contains("/events?ticket="))
            #expect(try daemon.stream(link).rest().last?.event == "job.succeeded")
            #expect(try !owner.post("/v1/jobs", body).body.contains("ticket="))
            #expect(try owner.post("/v1/jobs?ticket_ttl_seconds=0", body).status == 400)
            let writer = try daemon.makeClient(tenant: "acme", rights: "submit")
            #expect(try writer.post("/v1/jobs?ticket_ttl_seconds=60", body).status == 403)
        }
    }

    // This test failed without `lifetime` in the stream's deadlines.
    @Test("a ticket expires, and so does its stream")
    func end() async throws {
        try await LocalDaemon.run("--speed", "1000", environment: ["LONGTAKE_AUTH_MODE=keys"]) { daemon in
            let owner = try daemon.makeClient(tenant: "acme")
            let job = try owner.submit()
            let short = try owner.ticket([job], seconds: 2)
            // A feed has no end, so the expiry of the ticket ends it.
            let feed = try daemon.stream("/v1/events?ticket=\(short)")
            #expect(try feed.rest(within: 20).last?.data == #"{"type":"stream.end","reason":"unauthorized"}"#)
            let deadline = Deadline(20)
            while try daemon.get("/v1/jobs/\(job)?ticket=\(short)").status == 200 { try #require(!deadline.isOver) }
            let expired = try daemon.get("/v1/jobs/\(job)?ticket=\(short)")
            #expect(expired.status == 401 && expired.body.contains("ticket-expired"))
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
        try await LocalDaemon.run { daemon in
            let answer = try daemon.post("/v1/tickets", body)
            #expect(answer.status == 422)
            #expect(answer.body.contains("\"pointer\":\"\(pointer)\""), "\(answer.body)")
        }
    }
}
