/// Limits of the job model, and limits that several modules share, each with its reason.
///
/// A limit of one module is in that module: `EngineLimits`, `StorageLimits`, `SQLiteLimits`,
/// `StreamLimits`, `HTTPLimits`. A limit that only one type needs is a constant of that type.
public enum Limits {
    // MARK: Jobs

    /// Stages of one pipeline. A list of 64 stages still fits on a screen, and the event
    /// `job.queued` stays below 5 KB.
    public static let stagesPerPipeline = 64
    /// Entries of the `metadata` of a job. Metadata is for labels, not for documents.
    public static let metadataEntries = 16
    /// The UTF-8 bytes of a key of the `metadata`.
    public static let metadataKeyBytes = 64
    /// The UTF-8 bytes of a value of the `metadata`.
    public static let metadataValueBytes = 512
    /// The range of the setting `limits.queued_jobs_per_tenant`. Each queued job uses some
    /// kilobytes on the disk.
    public static let queuedJobsPerTenant = 1...1_000_000
    /// The default of `limits.queued_jobs_per_tenant`. A longer queue takes hours to process.
    /// Clients do not wait that long.
    public static let queuedJobsPerTenantDefault = 10_000
    /// The largest queue position that is counted. A client that is further behind only needs to
    /// know that it is far behind, and counting further would need a scan.
    public static let queuePositionsCounted = 1_000

    // MARK: Reports and errors

    /// The UTF-8 bytes of the message of one report. Every reader of the job receives the message.
    public static let reportMessageBytes = 512
    /// The bytes of the opaque part of a stage's checkpoint, as JSON in UTF-8. Each report with a
    /// checkpoint rewrites it in the row of the stage.
    public static let checkpointBytes = 16_384
    /// The UTF-8 bytes of the `message` of an error.
    public static let errorMessageBytes = 2_048
    /// The UTF-8 bytes of the `detail` of an error: the end of what a command wrote to standard
    /// error.
    public static let errorDetailBytes = 2_048
    /// The bytes of the output of one stage, as JSON in UTF-8. Later stages and the job show it.
    public static let outputBytes = 65_536

    // MARK: Attempts

    /// Attempts of one stage.
    public static let attempts = 3
    /// The delay before the second attempt. It doubles with each further attempt.
    public static let retryDelay: Duration = .seconds(2)
    /// The largest `retry.attempts` of a stage.
    public static let maximumAttempts = 100
    /// The largest `retry.delay_seconds` of a stage: one hour.
    public static let maximumRetryDelaySeconds = 3_600.0
    /// The longest delay before an attempt, without jitter. A stage whose `retry.delay_seconds` is
    /// longer waits for that.
    public static let maximumRetryDelay: Duration = .seconds(60)
    /// The fraction by which a delay varies in both directions, so that stages that fail together
    /// are not retried together.
    public static let retryJitter = 0.2
    /// The longest delay before an attempt that earlier versions stored, with jitter. They did not
    /// store the delay itself. If such a due time is further in the future than this, the wall
    /// clock was set back, and the retry is due at once.
    public static let maximumRetryWait: Duration = maximumRetryDelay * (1 + retryJitter)
    /// The longest time limit of an attempt, and the longest expected duration of a stage: one day.
    public static let maximumTimeLimitSeconds = 86_400.0
    /// If a timer fires more than this late, the machine or the process was paused. The time of the
    /// pause does not count towards any timeout.
    public static let pauseThreshold: Duration = .seconds(2)

    // MARK: Commands and files

    /// How long a command may take to end after `SIGTERM`, if its stage says nothing.
    public static let commandGraceSeconds = 10.0
    /// If a pipeline sets no time limit, an attempt may take this many times its expected duration.
    public static let timeLimitFactor = 10.0
    /// The shortest time limit of real work that is computed with ``timeLimitFactor``. The first
    /// run of a model may download gigabytes.
    public static let minimumWorkTimeLimitSeconds = 3_600.0
    /// The longest `grace_seconds` of a stage. A shutdown waits for it.
    public static let maximumCommandGraceSeconds = 600.0
    /// A program and its arguments in `pipelines.yaml`. Each job stores them.
    public static let commandArguments = 256
    /// The UTF-8 bytes of the path of an artifact below its working directory.
    public static let artifactPathBytes = 1_024
    /// The UTF-8 bytes of a regular expression in `pipelines.yaml`.
    public static let patternBytes = 1_024
    /// The code points of a text that must match a pattern. Matching can take time that grows
    /// with a power of the length.
    public static let matchedCharacters = 1_024
    /// The largest `maximum_megabytes` of a file: 1 TB.
    public static let fileMegabytes = 1_000_000.0
    /// Names of artifacts of one stage.
    public static let artifactsPerStage = 256
    /// How long an uploaded file is kept after its upload, at least.
    public static let fileLifetime: Duration = .seconds(24 * 3600)
    /// If a read has to renew a file, it renews it for this much longer. So repeated reads of a
    /// file write once an hour.
    public static let fileRenewalSlack: Duration = .seconds(3600)
    /// Files of one page of a list.
    public static let filesPerPage = 200

    // MARK: Simulation

    /// The factor by which simulated work runs faster. At 0.1 a person can watch each step. At
    /// 10,000 a job of 200 s takes 20 ms.
    public static let simulationSpeed = 0.1...10_000.0
    /// Steps of one simulated stage: 60 s of video at 60 frames per second.
    public static let simulatedSteps = 3_600

    // MARK: Reads

    /// Events of one page of an event log. A page is one short read transaction, and a buffer that
    /// a socket takes at once.
    public static let eventsPerPage = 256
    /// Bytes of one page of an event log, for the same reason as ``eventsPerPage``.
    public static let bytesPerPage = 64 * 1024
    /// Jobs of one page of a list.
    public static let jobsPerPage = 200
    /// Jobs that the filter of one feed reader may name. Each one costs an index seek in every
    /// read.
    public static let feedJobs = 64
    /// The timeout of reads is counted in periods of this length. So a pause of the whole machine
    /// adds one period at most.
    public static let readPeriod: Duration = .seconds(5)
    /// A read that waits fails after this many periods, which is after 15 to 20 s. That is twice
    /// the time that a slow machine needs when ten thousand clients reconnect together, and shorter
    /// than the timeout of most proxies, which is 60 s.
    public static let readPeriods = 4

    // MARK: Writes

    /// How long a cancel is retried while the disk is full. Its client waits for the response.
    public static let cancelPatience: Duration = .seconds(5)

    // MARK: Untrusted JSON

    /// Levels of nested arrays and objects in the body of a request. A valid body has 3 at most.
    public static let jsonDepth = 32
    /// The UTF-8 bytes of a member name in the body of a request. The longest valid name is a
    /// metadata key of ``metadataKeyBytes``. The time to compare two strings grows with the square
    /// of their combining marks: 60 KB of them took seconds.
    public static let jsonNameBytes = 256
}
