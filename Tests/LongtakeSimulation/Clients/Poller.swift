import LongtakeCore
import LongtakeStream

/// A client that reads an event log page by page, and waits for the next event if it has all
/// (`?wait=`). Unchecked, because the simulation has one thread.
final class Poller: @unchecked Sendable {
    private let job: JobID
    private let tenant: TenantName
    private let stage: Stagehand
    private var cursor = EventSequence.beforeFirst
    private var isInFlight = false
    private(set) var isDone = false

    init(of job: JobID, tenant: TenantName, stage: Stagehand) {
        self.job = job
        self.tenant = tenant
        self.stage = stage
    }

    func ask(_ boot: Boot) {
        guard !isInFlight, !isDone, !boot.isStopping else { return }
        isInFlight = true
        // Unstructured: each request is independent.
        Task { [self] in
            defer { isInFlight = false }
            let (journal, hub, job, tenant, cursor) = (boot.journal, boot.hub, job, tenant, cursor)
            let (began, hadMore) = (stage.moment, stage.book.entry(of: job, cursor.rawValue + 1) != nil)
            try await hub.waitForEvent(of: job, of: tenant, after: cursor, upTo: .seconds(20)) {
                let page = try await journal.events(of: job, of: tenant, after: cursor, limit: 1)
                return page.map { $0.head > cursor || $0.isFinal } ?? true
            }
            let wait = hadMore ? stage.moment.since(began) ?? .zero : .zero
            stage.verdict.check(
                wait < .seconds(20) || !boot.isAlive, .progress,
                "\(job): a page after #\(cursor) waits although there are more events")
            let page = try await journal.events(of: job, of: tenant, after: cursor, limit: 5)
            if boot.isAlive { take(page) }
        }
    }

    private func take(_ page: EventPage?) {
        guard let page else { return stage.verdict.fail(.acknowledged, "a page did not find \(job)") }
        for event in page.events {
            stage.verdict.check(
                event.sequence == cursor.next, .resume, "\(job): a page does not begin right after its cursor")
            stage.verdict.check(
                stage.book.entry(of: job, event.sequence.rawValue)?.event == event, .log,
                "\(job) #\(event.sequence) differs on a page from the durable event")
            cursor = event.sequence
        }
        isDone = page.isFinal && cursor == page.head
    }
}
