/// Limits of the engine, each with its reason.
public enum EngineLimits {
    // MARK: Reports

    /// Reports of one attempt. 8 stages with 1,000 reports make an event log of 8,000 events or 2
    /// MB, which replays in a second.
    static let reportsPerAttempt = 1_000
    /// The default time between two reports of one stage. The last report is exempt. With four
    /// reports per second, a progress bar moves smoothly.
    public static let reportInterval: Duration = .milliseconds(250)
    /// The range of the setting `reports.interval_milliseconds`. Nobody can see more than 100
    /// reports per second.
    package static let reportIntervalMilliseconds = 10...60_000

    /// The time between two checkpoints that are stored without a report. A crash loses at most
    /// this much work of a stage that tells its checkpoints.
    static let checkpointInterval: Duration = .seconds(10)

    // MARK: Attempts

    /// How long a runner may take to end after it was asked to stop. This is enough to end a child
    /// process or to flush a file, and short compared with the shortest time limit. After it, the
    /// attempt is abandoned and its worker is free.
    public static let runnerStopGrace: Duration = .seconds(10)
    /// A command has its own grace period. After it, the runner has this time to kill the command,
    /// to read the rest of its output, and to store what it has made. An attempt that is abandoned
    /// earlier could run beside the next one. So this is more than a supervisor (30 s) and then the
    /// daemon (15 s) try to kill, and it leaves a minute for storing.
    package static let commandStopMargin: Duration = .seconds(105)
    /// The shortest time limit of simulated work that is computed with ``Limits/timeLimitFactor``.
    static let minimumTimeLimitSeconds = 60.0
    /// How long the worker of an interrupted stage waits before it returns the stage to its queue,
    /// so that a full disk does not start the stage again and again. A stop ends the wait.
    static let interruptionPause: Duration = .seconds(5)

    // MARK: Claims

    /// The range of `workers` of one queue ends here.
    package static let workersPerQueue = 10_000
    /// Stages that one claim takes, which bounds its transaction. A dispatcher with more free
    /// workers claims again.
    static let stagesPerClaim = 256

    // MARK: Backoff

    /// The first delay after the journal could not persist a claim or a result. It doubles with
    /// each further failure.
    static let persistRetryDelay: Duration = .milliseconds(100)
    /// The longest such delay. So all work continues within five seconds after the disk has space
    /// again.
    package static let maximumPersistRetryDelay: Duration = .seconds(5)
}
