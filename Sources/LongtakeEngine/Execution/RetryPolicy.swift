import LongtakeCore
import Synchronization

/// Turns the end of an attempt into what is written down: whether there is another attempt, and after how long.
final class RetryPolicy: Sendable {
    private let randomness: Mutex<any RandomNumberGenerator & Sendable>

    init(randomness: any RandomNumberGenerator & Sendable) {
        self.randomness = Mutex(randomness)
    }

    /// `nil` where nothing is to be written.
    func outcome(of end: AttemptEnd, for claim: Claim) -> StageOutcome? {
        switch end {
        case .succeeded(let output): .succeeded(output: output)
        case .stopped: .interrupted(.shutdown)
        case .lost: nil
        case .failed(let failure): outcome(of: failure, for: claim)
        }
    }

    private func outcome(of failure: StageFailure, for claim: Claim) -> StageOutcome {
        let error = JobError(
            code: failure.code, message: failure.message.cut(toBytes: Limits.errorMessageBytes), stage: claim.stage.name
        )
        guard failure.isRetryable, claim.attempt < Limits.attempts else { return .failed(error) }
        return .retry(error: error, delay: delay(afterAttempt: claim.attempt))
    }

    /// Doubles from attempt to attempt and varies by ``Limits/retryJitter``; whole milliseconds, as it is shown in seconds with three decimals.
    private func delay(afterAttempt attempt: Int) -> Duration {
        let jitter = randomness.withLock { generator in
            Double.random(in: -Limits.retryJitter...Limits.retryJitter, using: &generator)
        }
        let seconds = Backoff.attempts.delay(afterFailures: attempt) / .seconds(1)
        return .milliseconds(Int64((seconds * (1 + jitter) * 1000).rounded()))
    }
}
