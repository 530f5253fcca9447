import LongtakeCore
import LongtakeStream

/// A client that reads an event log page by page, and waits for the next event if it has all
/// (`?wait=`). Unchecked, because the simulation has one thread.
final class Poller: @unchecked Sendable {
    private let job: JobID
    private let tenant: TenantName
    private let stage: Stagehand
    private var cursor = EventSequence.beforeFirst
    private var isUnderWay = false
    private(set) var isDone = false

    init(of job: JobID, tenant: TenantName, stage: Stagehand) {
        self.job = job
        self.tenant = tenant
        self.stage = stage
    }

    func ask(_ boot: Boot) {
        guard !isUnderWay, !isDone, !boot.isStopping else { return }
        isUnderWay = true
        // Unstructured: each request is independent.
        Task { [self] in
            defer { isUnderWay = false }
            let (journal, hub, job, tenant, cursor) = (boot.journal, boot.hub, job, tenant, cursor)
            let (began, hadMore) = (stage.moment, stage.book.entry(of: job, cursor.rawValue + 1) != nil)
            try await hub.waitForEvent(of: job, of: tenant, after: cursor, upTo: .seconds(20)) {
                let page = try await journal.events(of: job, of: tenant, after: cursor, limit: 1)
                return page.map { $0.head > cursor || $0.isFinal } ?? true
            }
            let wait = hadMore ? stage.moment.since(began) ?? .zero : .zero
            stage.verdict.check(
                wait < .seconds(20) || !boot.isAlive, .goesOn,
                "\(job): a page behind #\(cursor) waits while there is more")
            let page = try await journal.events(of: job, of: tenant, after: cursor, limit: 5)
            if boot.isAlive { take(page) }
        }
    }

    private func take(_ page: EventPage?) {
        guard let page else { return stage.verdict.blame(.acknowledgedIsKept, "\(job) is unknown to a page") }
        for event in page.events {
            stage.verdict.check(event.sequence == cursor.next, .resume, "\(job): a page begins not behind its cursor")
            stage.verdict.check(
                stage.book.entry(of: job, event.sequence.rawValue)?.event == event, .log,
                "\(job) #\(event.sequence) is another event on a page than it was")
            cursor = event.sequence
        }
        isDone = page.isFinal && cursor == page.head
    }
}
