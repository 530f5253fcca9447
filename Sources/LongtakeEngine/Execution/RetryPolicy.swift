import LongtakeCore
import Synchronization

/// Decides what to store when an attempt ends, and whether and when the stage is retried.
final class RetryPolicy: Sendable {
    private let randomness: Mutex<any RandomNumberGenerator & Sendable>

    init(randomness: any RandomNumberGenerator & Sendable) {
        self.randomness = Mutex(randomness)
    }

    /// The outcome to store; `nil` if nothing can be stored.
    func outcome(of end: AttemptEnd, for claim: Claim) -> StageOutcome? {
        switch end {
        case .succeeded(let result): .succeeded(output: result.output, artifacts: result.artifacts)
        case .stopped: .interrupted(.shutdown)
        case .interrupted(let reason): .interrupted(reason)
        case .lost: nil
        case .failed(let failure): outcome(of: failure, for: claim)
        }
    }

    private func outcome(of failure: StageFailure, for claim: Claim) -> StageOutcome {
        let error = JobError(
            code: failure.code, message: failure.message.truncated(toBytes: Limits.errorMessageBytes),
            stage: claim.stage.name, detail: failure.detail?.truncated(toBytes: Limits.errorDetailBytes))
        let rule = claim.stage.retry ?? RetryRule()
        guard failure.isRetryable, claim.attempt < rule.attempts else { return .failed(error) }
        return .retry(error: error, delay: delay(afterAttempt: claim.attempt, rule))
    }

    /// The delay doubles with each attempt and varies by ``Limits/retryJitter``. It is a whole
    /// number of milliseconds, because events show it in seconds with three decimals.
    private func delay(afterAttempt attempt: Int, _ rule: RetryRule) -> Duration {
        let jitter = randomness.withLock { generator in
            Double.random(in: -Limits.retryJitter...Limits.retryJitter, using: &generator)
        }
        let seconds = Backoff(following: rule).delay(afterFailures: attempt) / .seconds(1)
        return .milliseconds(Int64((seconds * (1 + jitter) * 1000).rounded()))
    }
}

/// An exponential backoff: each delay is twice the previous one, up to a maximum.
struct Backoff: Hashable, Sendable {
    let first: Duration
    let maximum: Duration

    /// Between calls to a journal that cannot store anything now, for example because the disk is
    /// full.
    static let persisting = Backoff(
        first: EngineLimits.persistRetryDelay, maximum: EngineLimits.maximumPersistRetryDelay)

    init(first: Duration, maximum: Duration) {
        self.first = first
        self.maximum = maximum
    }

    /// Between two attempts of a stage.
    init(following rule: RetryRule) {
        first = .milliseconds(Int64((rule.delaySeconds * 1000).rounded()))
        maximum = max(first, Limits.maximumRetryDelay)
    }

    /// The delay after a number of consecutive failures, which is at least 1.
    func delay(afterFailures failures: Int) -> Duration {
        var delay = first
        for _ in 1..<max(1, failures) where delay < maximum { delay *= 2 }
        return min(delay, maximum)
    }
}
