import LongtakeAPI
import LongtakeCore

/// A job that this run has submitted.
struct SubmittedJob: Sendable {
    let id: String
    let epoch: String
    /// The path of its events.
    let path: String
}

extension SubmittedJob {
    /// - Parameter document: the response of the daemon.
    init(_ document: JobDocument) {
        id = document.id.description
        epoch = document.lastEventID.epoch.description
        path = APILinks().events(of: document.id)
    }
}
