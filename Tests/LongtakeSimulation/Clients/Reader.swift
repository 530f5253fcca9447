import LongtakeCore
import LongtakeStream

/// Somebody who follows a log, is cut off, and comes back with the last id that it saw (O8).
final class Reader {
    let source: StreamSource
    let tenant: TenantName
    /// The last place that has arrived at the reader. What arrives is compared with the book where it is sent.
    var cursor: Int64 = 0
    var connection: ReaderConnection?
    /// The final event has arrived, or the log was said to be over.
    var isDone = false

    init(of source: StreamSource, tenant: TenantName) {
        self.source = source
        self.tenant = tenant
    }

    /// The event that has to come next, with its place; `nil` where the book has none.
    func next(after place: Int64, in book: LogBook) -> (place: Int64, block: [UInt8], isFinal: Bool)? {
        switch source {
        case .job(let job):
            book.entry(of: job, place + 1).map { (place + 1, $0.block, $0.event.type.isFinal) }
        case .feed(let filter):
            book.next(behind: place, of: tenant, filter).map { ($0.event.position.rawValue, $0.feedBlock, false) }
        case .diagnostics: nil
        }
    }

    /// Whether it has been given all that there is once it is at `place`.
    func hasAll(at place: Int64, in book: LogBook) -> Bool {
        switch source {
        case .job(let job): book.entry(of: job, place + 1) == nil
        case .feed(let filter): book.last(of: tenant, filter) <= place
        case .diagnostics: true
        }
    }

    /// Whether it has all that there is.
    func isComplete(_ book: LogBook) -> Bool {
        if case .job = source { return isDone }
        return hasAll(at: cursor, in: book)
    }
}

extension StreamSource {
    var isOfAllJobs: Bool { if case .feed = self { true } else { false } }
}
