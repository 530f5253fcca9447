/// The limits of the estimates.
public enum EstimateLimits {
    /// How many finished runs each stage must have before its jobs get an estimate.
    public static let runs = 10
    /// How many ends of jobs the 90th percentile looks at.
    public static let ends = 200
    /// How often later stages of older jobs may be expected to go first.
    static let overtaking = 8.0
    /// The seconds between two `job.estimate` events of a stream.
    public static let noticeSeconds = 5.0
    /// By how much an estimate must move before a stream shows it again.
    public static let noticeChange = 0.1
}
