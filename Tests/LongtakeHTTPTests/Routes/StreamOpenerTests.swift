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

@Suite("cursors when the epoch changes while the daemon runs") struct ChangedEpochTests {
    private let clock = ManualClock()
    private let path = "/v1/jobs/\(Samples.submission(1).id)/events"

    /// The responses to these requests, each with the lines of its headers, on a store with one canceled job.
    private func responses(_ journal: ChangingJournal, _ headers: [String]) async throws -> [Exchange] {
        _ = try await journal.inner.submit(Samples.submission(1))
        _ = try await journal.inner.cancel(Samples.submission(1).id, of: .anonymous)
        let server = try HTTPServer.forTests(journal: journal, clock: clock)
        let address = try await server.start()
        let port = try #require(address.first?.split(separator: ":").last.flatMap { Int($0) })
        if !journal.changesInRead { await journal.inner.renewEpoch(Epoch(rawValue: 2)) }
        let responses = try await onOwnThread {
            try headers.map { headers in
                try Socket(port: port).exchange("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(headers)\r\n")
            }
        }
        await server.stop()
        return responses
    }

    // Seen to fail with the epoch of the store's start in StreamOpener.
    @Test("a stream compares its cursor with the epoch of the page that it starts with")
    func stream() async throws {
        let accept = "Accept: text/event-stream\r\n"
        let found = try await responses(
            ChangingJournal(clock: clock),
            [accept + "Last-Event-ID: 00000001-1\r\n", accept + "Last-Event-ID: 00000002-1\r\n"])
        #expect(found.map(\.status) == [200, 200])
        let (old, new) = (found[0].body, found[1].body)
        #expect(old.contains(#""cursor":null"#) && old.contains(#""reason":"epoch","requested":"00000001-1""#))
        #expect(old.contains("id: 00000002-2\nevent: job.snapshot\n") && !old.contains("id: 00000001"))
        #expect(new.contains(#""cursor":"00000002-1","head":"00000002-2""#))
        #expect(new.contains("id: 00000002-2\nevent: job.canceled\n"))
    }

    // Seen to fail without the second comparison in EventRoutes: 200, with events after another log's cursor.
    @Test("a page is never read after a cursor of another epoch")
    func page() async throws {
        let accept = "Accept: application/json\r\n"
        let found = try await responses(
            ChangingJournal(clock: clock, changesInRead: true), [accept + "Last-Event-ID: 00000001-1\r\n"])
        #expect(found.map(\.status) == [410])
        let first = try await responses(ChangingJournal(clock: clock, changesInRead: true), [accept])
        #expect(first.map(\.status) == [200])
        #expect(first[0].body.contains(#""last_event_id":"00000002-2""#) && !first[0].body.contains("00000001-"))
    }
}

/// A store whose epoch changes. Its own property keeps the first one, as a store that has not noticed yet.
private final class ChangingJournal: JournalDouble {
    let inner: MemoryJournal
    let epoch = Epoch(rawValue: 1)
    /// Whether the epoch changes after the first read of a log.
    let changesInRead: Bool

    init(clock: ManualClock, changesInRead: Bool = false) {
        inner = MemoryJournal(epoch: epoch, clock: clock)
        self.changesInRead = changesInRead
    }

    func events(of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int) async throws -> EventPage? {
        let page = try await inner.events(of: job, of: tenant, after: after, limit: limit)
        if changesInRead { await inner.renewEpoch(Epoch(rawValue: 2)) }
        return page
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
