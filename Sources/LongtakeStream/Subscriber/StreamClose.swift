public import LongtakeAPI

/// How a stream ended, for those who keep records of streams.
public enum StreamClose: Hashable, Sendable {
    /// With the final event of the job.
    case final
    /// With a `stream.end` that gives this reason.
    case told(StreamEnd)
    /// The last test event of a diagnostics stream was sent.
    case complete
    /// The reader took nothing for too long, and was cut off.
    case slow
    /// What the reader still had to read was removed, and the reader was cut off so that it comes back and is told.
    case removed
    /// The log could not be read, and the reader was cut off.
    case unreadable
    /// The reader left.
    case client

    /// A stable word for programs.
    public var name: String {
        switch self {
        case .final: "final"
        case .told(let reason): reason.rawValue
        case .complete: "complete"
        case .slow: "slow"
        case .removed: "removed"
        case .unreadable: "unreadable"
        case .client: "client"
        }
    }
}
