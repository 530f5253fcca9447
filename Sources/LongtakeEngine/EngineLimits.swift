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

    // MARK: Attempts

    /// How long a runner may take to end after it was asked to stop. This is enough to end a child
    /// process or to flush a file, and short compared with the shortest time limit. After it, the
    /// attempt is abandoned and its worker is free.
    public static let runnerStopGrace: Duration = .seconds(10)
    /// If a pipeline sets no time limit, an attempt may take this many times its expected duration.
    static let timeLimitFactor = 10.0
    /// The shortest time limit that is computed with ``timeLimitFactor``.
    static let minimumTimeLimitSeconds = 60.0

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
