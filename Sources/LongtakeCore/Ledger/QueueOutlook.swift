/// How many claims come before a job on its queue, from numbers that are cheap to know.
package enum QueueOutlook {
    /// Exact within the tenant; where others wait too, tenants are taken to be served in turn, so each of them goes first about as often
    /// as the job's own tenant does.
    /// - Parameters:
    ///   - ahead: claims of the same tenant that come first.
    ///   - others: how many stages of each other tenant wait on the queue.
    /// - Returns: at most ``Limits/queuePositionsCounted``.
    package static func position(ahead: Int, others: some Sequence<Int>) -> Int {
        var position = ahead
        for waiting in others {
            guard position < Limits.queuePositionsCounted else { break }
            position += min(waiting, ahead)
        }
        return min(position, Limits.queuePositionsCounted)
    }
}
