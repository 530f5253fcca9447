import NIOCore

/// What one watcher asks for.
struct WatchPlan: Sendable {
    /// Which job it watches, by its number in the measurement.
    let job: Int
    let request: ByteBuffer
    /// The last event that it has; `nil` takes what the stream begins with.
    let cursor: UInt64?

    init(job: Int, path: String, cursor: UInt64? = nil, lastEventID: String? = nil) {
        self.job = job
        self.cursor = cursor
        request = ByteBuffer(string: Self.head(path, lastEventID: lastEventID))
    }

    /// - Parameter after: the last event that it has; from the beginning by default.
    init(_ job: SubmittedJob, number: Int, after: UInt64 = 0) {
        self.init(job: number, path: job.path, cursor: after, lastEventID: after > 0 ? "\(job.epoch)-\(after)" : nil)
    }

    static func head(_ path: String, lastEventID: String? = nil) -> String {
        "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
            + (lastEventID.map { "Last-Event-ID: \($0)\r\n" } ?? "") + "\r\n"
    }
}
