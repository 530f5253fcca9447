import FoundationEssentials
import LongtakeDaemonDriver
import Testing

/// The secrets that sign tickets, when `longtake keys rotate` changes them.
@Suite(.serialized) struct TicketSecretTests {
    // This test failed when `isAuthorized` did not check which secret signed the ticket.
    @Test("tickets of an older secret stay valid, and removing a secret invalidates all its tickets")
    func rotate() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "100", environment: ["LONGTAKE_AUTH_MODE=keys"])
            let owner = try daemon.makeClient(tenant: "acme")
            let job = try owner.submit()
            let ticket = try owner.ticket([job])
            #expect(try daemon.keys("rotate").status == 0)
            try daemon.reloadKeys { try owner.ticket([job]).prefix(12) != ticket.prefix(12) }
            #expect(try daemon.get("/v1/jobs/\(job)?ticket=\(ticket)").status == 200)
            let feed = try daemon.stream("/v1/events?ticket=\(ticket)")
            #expect(try feed.next()?.event == "stream.hello")
            let own = try owner.stream("/v1/events")
            #expect(try own.next()?.event == "stream.hello")
            #expect(try daemon.keys("rotate", "--revoke-tickets").status == 0)
            try daemon.reloadKeys { try daemon.get("/v1/jobs/\(job)?ticket=\(ticket)").status == 401 }
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
            let owner = try daemon.makeClient(tenant: "acme")
            let job = try owner.submit()
            let ticket = try owner.ticket([job])
            let file = daemon.directory + "/data/keys.json"
            let data = try #require(FileManager.default.contents(atPath: file))
            let later = String(decoding: data, as: UTF8.self).replacing(
                "\"created_at\":\"20", with: "\"created_at\":\"21")
            #expect(later.contains("\"21"))
            try Data(later.utf8).write(to: URL(fileURLWithPath: file))
            #expect(try daemon.keys("rotate").status == 0)
            try daemon.reloadKeys { try owner.ticket([job]).prefix(12) != ticket.prefix(12) }
            #expect(try daemon.get("/v1/jobs/\(job)?ticket=\(ticket)").status == 200)
        }
    }
}
