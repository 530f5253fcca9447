/// Estimates the queue position of a job: the number of claims expected before it.
package enum QueuePosition {
    /// The estimate is exact within the tenant. For other tenants it assumes that tenants are
    /// served in turn: each of them gets about as many claims first as the tenant of the job.
    /// - Parameters:
    ///   - ahead: the number of claims of the same tenant that come first.
    ///   - others: the number of waiting stages of each other tenant.
    /// - Returns: at most ``Limits/queuePositionsCounted``.
    package static func estimate(ahead: Int, others: some Sequence<Int>) -> Int {
        var position = ahead
        for waiting in others {
            guard position < Limits.queuePositionsCounted else { break }
            position += min(waiting, ahead)
        }
        return min(position, Limits.queuePositionsCounted)
    }
}
