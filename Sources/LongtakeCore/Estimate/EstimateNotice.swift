/// Decides when a stream that asked for estimates shows one: the first at once, later ones at most
/// every ``EstimateLimits/noticeSeconds`` and only if the time left moved by more than
/// ``EstimateLimits/noticeChange``.
///
/// The time left moves also because time passes: a reader that only displays the newest number is
/// never off by more than 10 % or 5 s.
public struct EstimateNotice: Hashable, Sendable {
    private var shown: Shown?

    private struct Shown: Hashable {
        let estimate: JobEstimate?
        let at: Timestamp
    }

    public init() {}

    /// What to do about an estimate.
    public enum Action: Hashable, Sendable {
        /// Send `job.estimate` with these numbers, or with `null` if there are none any more.
        case show(JobEstimate?)
        /// Send nothing.
        case keep
    }

    /// When the next estimate may be shown, on the steady clock. Asking earlier is useless.
    /// - Returns: `nil` for at once.
    public var nextAt: Timestamp? { shown?.at.advanced(by: .seconds(EstimateLimits.noticeSeconds)) }

    /// - Parameters:
    ///   - estimate: the present one; `nil` if there is none.
    ///   - moment: on the steady clock.
    public mutating func decide(_ estimate: JobEstimate?, at moment: Timestamp) -> Action {
        if let nextAt, moment < nextAt { return .keep }
        guard Self.moved(from: shown?.estimate, to: estimate) else { return .keep }
        shown = Shown(estimate: estimate, at: moment)
        return .show(estimate)
    }

    private static func moved(from old: JobEstimate?, to new: JobEstimate?) -> Bool {
        guard let old, let new else { return (old == nil) != (new == nil) }
        return moved(from: old.eta.p50, to: new.eta.p50) || moved(from: old.eta.p90, to: new.eta.p90)
    }

    private static func moved(from old: Double, to new: Double) -> Bool {
        abs(new - old) > EstimateLimits.noticeChange * old
    }
}
