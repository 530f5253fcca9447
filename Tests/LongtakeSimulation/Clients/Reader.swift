import LongtakeCore
import LongtakeStream

/// A client that follows an event log, is disconnected, and resumes with the last id that it got
/// (O8).
final class Reader {
    let source: StreamSource
    let tenant: TenantName
    /// The last sequence number or position that the reader got. Events are compared with the log
    /// book when they are sent.
    var cursor: Int64 = 0
    var connection: ReaderConnection?
    /// The reader got the final event, or the end of the log.
    var isDone = false

    init(of source: StreamSource, tenant: TenantName) {
        self.source = source
        self.tenant = tenant
    }

    /// The event that must come next, with its sequence number or position; `nil` if the log book
    /// has none.
    func next(after offset: Int64, in book: LogBook) -> (offset: Int64, block: [UInt8], isFinal: Bool)? {
        switch source {
        case .job(let job):
            book.entry(of: job, offset + 1).map { (offset + 1, $0.block, $0.event.type.isFinal) }
        case .feed(let filter):
            book.next(after: offset, of: tenant, filter).map { ($0.event.position.rawValue, $0.feedBlock, false) }
        case .stageLog, .diagnostics: nil
        }
    }

    /// Whether no event follows `offset`.
    func hasAll(at offset: Int64, in book: LogBook) -> Bool {
        switch source {
        case .job(let job): book.entry(of: job, offset + 1) == nil
        case .feed(let filter): book.last(of: tenant, filter) <= offset
        case .stageLog, .diagnostics: true
        }
    }

    /// Whether it has every event.
    func isComplete(_ book: LogBook) -> Bool {
        if case .job = source { return isDone }
        return hasAll(at: cursor, in: book)
    }
}

extension StreamSource {
    var isFeed: Bool { if case .feed = self { true } else { false } }
}
