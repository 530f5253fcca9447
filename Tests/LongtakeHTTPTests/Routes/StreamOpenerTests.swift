import LongtakeCore
import LongtakeDaemonDriver
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeHTTP

@Suite("streams that cannot start") struct StreamOpenerTests {
    // Fails if every error of the journal becomes the reason `limit`.
    @Test("give a browser a stream that ends with the reason, and other clients an error status")
    func unreadable() async throws {
        let clock = ManualClock()
        let journal = UnreadableJournal(clock: clock)
        let server = try HTTPServer.forTests(journal: journal, clock: clock)
        let address = try await server.start()
        let port = try #require(address.first?.split(separator: ":").last.flatMap { Int($0) })
        for (error, reason) in [(JournalError.cannotPersist("it is broken"), "unavailable"), (.closed, "draining")] {
            journal.error.withLock { $0 = error }
            for path in ["/v1/jobs/job_" + String(repeating: "0", count: 26) + "/events", "/v1/events"] {
                try await onOwnThread {
                    let request = "GET \(path) HTTP/1.1\r\nHost: localhost\r\n"
                    let browser = try Socket(port: port).exchange(request + "Accept: text/event-stream\r\n\r\n")
                    #expect(browser.status == 200 && browser.body.hasPrefix("retry: "), "\(path)")
                    #expect(browser.body.contains(#"data: {"type":"stream.end","reason":"\#(reason)"}"#), "\(path)")
                    #expect(try Socket(port: port).exchange(request + "\r\n").status >= 500, "\(path)")
                }
            }
        }
        await server.stop()
    }
}

/// A journal whose events cannot be read.
private final class UnreadableJournal: JournalDouble {
    let inner: MemoryJournal
    let error = Mutex(JournalError.closed)

    init(clock: ManualClock) { inner = MemoryJournal(clock: clock) }

    func events(of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int) async throws -> EventPage? {
        throw error.withLock { $0 }
    }
    func events(_ query: FeedQuery) async throws -> FeedPage { throw error.withLock { $0 } }
}
