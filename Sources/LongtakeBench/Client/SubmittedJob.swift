import LongtakeCore

/// A job that this run submitted.
struct SubmittedJob: Sendable {
    let id: String
    let epoch: String

    /// - Parameter document: the daemon's answer.
    init(_ document: JSONValue) throws {
        guard let id = document["id"]?.text, let epoch = document["last_event_id"]?.text?.split(separator: "-").first
        else {
            throw BenchFailure("a submission was answered without an id")
        }
        self.id = id
        self.epoch = String(epoch)
    }

    /// Where its events are.
    var path: String { "/v1/jobs/\(id)/events" }
}
