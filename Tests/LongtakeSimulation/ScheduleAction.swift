/// An action of clients, of the disk or of an operator. Each schedule draws a subset of them, so
/// that some actions are tested without the effects of others.
enum ScheduleAction: CaseIterable {
    case submit, submitAgain, cancel
    case follow, followFeed, reconnectStorm, poll, disconnect, stall, breakOnSend
    case diskFull, diskSpace, refusedCommit, lostCommit, stalledDisk, stalledReads, failingReads, lowSubmissionLimit
    case crash, stop
    case wallForward, wallBack, pause
    /// A worker of an earlier boot uses its old claim.
    case staleClaim
    /// One tenant submits several jobs at once.
    case flood
    case retry
    case pauseQueue, resumeQueue
    /// A client uses an idempotency key again for another job, or retries a job that has not
    /// failed.
    case reuseKey, invalidRetry
    /// Makes the plan of a command, or executes a plan that was made before.
    case twoSteps
    /// The pruner runs a maintenance command.
    case maintain

    /// Whether it is in every schedule. None of these delays the daemon, and `diskSpace` ends a
    /// delay.
    var isInEverySchedule: Bool {
        switch self {
        case .submit, .submitAgain, .follow, .disconnect, .diskSpace: true
        default: false
        }
    }

    static func drawn(_ chance: Chance) -> [ScheduleAction] {
        allCases.filter { $0.isInEverySchedule || chance.isOne(in: 2) } + [.submit, .submit, .follow, .follow]
    }
}
