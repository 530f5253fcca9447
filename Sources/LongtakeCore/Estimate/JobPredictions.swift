/// What was predicted for one job, to be compared with its end. A store keeps it in memory: a job
/// without predictions teaches nothing about the accuracy, and nothing else depends on them.
public struct JobPredictions: Hashable, Sendable, Codable {
    private var queued: Prediction?
    private var running: Prediction?
    private var secondHalf: Prediction?
    /// The predicted first claim, made at submission.
    private var firstClaim: Prediction?
    /// When the first claim was, on the steady clock.
    public private(set) var claimedAt: Timestamp?
    /// Whether something happened that no estimate knows: a retry, a restart, a pause.
    public private(set) var isSpoiled = false

    /// A predicted duration.
    private struct Prediction: Hashable, Codable {
        /// On the steady clock.
        let madeAt: Timestamp
        let seconds: Float

        /// Actual ÷ predicted; `nil` if nothing was predicted.
        func ratio(endedAt end: Timestamp) -> Double? {
            seconds > 0 ? end.seconds(since: madeAt) / Double(seconds) : nil
        }
    }

    public init() {}

    /// A phase begins, so its prediction is made. Later ones of the same phase have no effect, nor
    /// does one without enough runs: the configured seconds made it.
    /// - Parameter moment: on the steady clock.
    public mutating func begin(_ phase: EstimatePhase, _ forecast: Forecast?, at moment: Timestamp) {
        if phase != .queued, claimedAt == nil { claimedAt = moment }
        guard let forecast, forecast.isLearned else { return }
        let prediction = Prediction(madeAt: moment, seconds: Float(forecast.seconds))
        switch phase {
        case .queued:
            guard queued == nil else { return }
            queued = prediction
            firstClaim = Prediction(madeAt: moment, seconds: Float(forecast.queueWaitSeconds))
        case .running: running = running ?? prediction
        case .runningSecondHalf: secondHalf = secondHalf ?? prediction
        }
    }

    /// The job is not like others any more.
    public mutating func spoil() { isSpoiled = true }

    /// Actual ÷ predicted for each prediction.
    func ratios(endedAt end: Timestamp) -> [(EstimateHistory.AccuracyKey.Measure, Double)] {
        guard !isSpoiled else { return [] }
        let ratios: [(EstimateHistory.AccuracyKey.Measure, Double?)] = [
            (.end(.queued), queued?.ratio(endedAt: end)), (.end(.running), running?.ratio(endedAt: end)),
            (.end(.runningSecondHalf), secondHalf?.ratio(endedAt: end)),
            (.firstClaim, claimedAt.flatMap { firstClaim?.ratio(endedAt: $0) }),
        ]
        return ratios.compactMap { measure, ratio in ratio.map { (measure, $0) } }
    }
}
