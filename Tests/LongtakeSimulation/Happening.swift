/// What a schedule can do to the daemon. Each schedule draws a subset, so that some happenings are
/// tested without the noise of others.
enum Happening: CaseIterable {
    case submit, submitAgain, cancel
    case follow, followFeed, storm, poll, hangUp, stall, breakOnSend
    case diskFull, diskRoom, refusedCommit, lostCommit, stalledDisk, stalledReads, failingReads, fewSubmissions
    case crash, stop
    case wallForward, wallBack, pause
    /// A worker of an earlier boot uses its old claim.
    case ghost
    /// One tenant submits several jobs at once.
    case flood
    case retry
    case pauseQueue, resumeQueue
    /// A client uses an idempotency key again for another job, or wants a job to be done again that
    /// has not failed.
    case reuseKey, wrongRetry
    /// A command is judged, or one that was judged before is executed.
    case twoSteps
    /// The pruner runs a maintenance command.
    case maintain

    /// In every schedule. None of them delays the daemon, and `diskRoom` ends a delay.
    var isOrdinary: Bool {
        switch self {
        case .submit, .submitAgain, .follow, .hangUp, .diskRoom: true
        default: false
        }
    }

    static func drawn(_ chance: Chance) -> [Happening] {
        allCases.filter { $0.isOrdinary || chance.isOne(in: 2) } + [.submit, .submit, .follow, .follow]
    }
}
