import LongtakeCore

/// Waits that double from try to try, up to a most.
struct Backoff: Hashable, Sendable {
    let first: Duration
    let most: Duration

    /// Between tries to reach a journal that cannot persist at present.
    static let persisting = Backoff(first: Limits.persistRetryDelay, most: Limits.persistRetryDelayMost)
    /// Before another attempt of a stage.
    static let attempts = Backoff(first: Limits.retryDelay, most: Limits.retryDelayMost)

    /// The wait after the `failures`-th failure in a row, 1 for the first.
    func delay(afterFailures failures: Int) -> Duration {
        var delay = first
        for _ in 1..<max(1, failures) where delay < most { delay *= 2 }
        return min(delay, most)
    }
}
