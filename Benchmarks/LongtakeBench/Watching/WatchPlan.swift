import NIOCore

/// What one watcher asks for.
struct WatchPlan: Sendable {
    /// Which job it watches, by its number in the measurement.
    let job: Int
    /// The last event that it has; `nil` takes what the stream begins with.
    let cursor: UInt64?
    private let path: String
    /// What stands before the number in an event's id; `nil` where a stream cannot be resumed.
    private let epoch: String?

    /// A stream that is never resumed.
    init(job: Int, path: String) {
        (self.job, self.path, cursor, epoch) = (job, path, nil, nil)
    }

    /// - Parameter after: the last event that it has; from the beginning by default.
    init(_ job: SubmittedJob, number: Int, after: UInt64 = 0) {
        (self.job, path, cursor, epoch) = (number, job.path, after, job.epoch)
    }

    var isResumable: Bool { epoch != nil }

    /// - Parameter last: the event to go on after.
    func request(after last: UInt64?) -> ByteBuffer {
        guard let epoch, let last, last > 0 else { return ByteBuffer(string: Self.head(path)) }
        return ByteBuffer(string: Self.head(path, fields: "Last-Event-ID: \(epoch)-\(last)\r\n"))
    }

    static func head(_ path: String, fields: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\(fields)\r\n"
    }
}
