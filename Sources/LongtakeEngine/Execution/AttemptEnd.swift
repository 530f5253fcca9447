import LongtakeCore

/// How a run of a stage ended, before it is written down.
enum AttemptEnd: Sendable {
    case succeeded(output: JSONValue?)
    case failed(StageFailure)
    /// It was told to stop, because the daemon does or because the job is to be canceled.
    case stopped
    /// The claim does not hold any more, or the journal has ended: nothing can be written.
    case lost
}
