/// Limits of the streams, each with its reason.
package enum StreamLimits {
    // MARK: Reads

    /// Reads of streams that run or wait in the store. All others wait in a ``ReadGate``, so that
    /// they do not fill the store's queue.
    static let streamReadsAtOnce = 64
    /// Reads of the feed that run at once, in addition to those above. They use half of the
    /// database connections, so that the other half stays free for reads of jobs' event logs.
    static let feedReadsAtOnce = 2

    // MARK: Requests that wait

    /// Requests that wait for a change of a job. A shutdown wakes all of them, and each one then
    /// reads once more. All of these reads must fit into the store's queue.
    static let requestsWaiting = 2_048
    /// Such requests of one key and its tickets, so that no tenant uses all of them.
    static let requestsWaitingPerKey = 256

    // MARK: Writes

    /// If the client has not taken a write after this time, its connection is closed.
    package static let writeDeadline: Duration = .seconds(10)
    /// Bytes of frames that wait for one event loop. If there are more, the loop drops them, and
    /// its readers read the event log instead.
    static let mailboxBytes = 4 * 1024 * 1024
    /// The range from which each stream draws its `retry:` in milliseconds, so that clients do not
    /// reconnect together.
    package static let retryMilliseconds = 1_000...3_000
    /// The time over which a shutdown spreads the ends of streams, so that their clients do not
    /// reconnect together.
    static let drainSpread: Duration = .seconds(5)

    // MARK: Rings

    /// The newest events of one job that stay encoded in memory while its readers reconnect: what a
    /// reader misses in about a minute. A ring may exceed this by a quarter, so that it does not
    /// have to remove events one by one.
    static let ringEvents = 256
    /// Bytes of all rings: enough for 1,000 jobs with 250 events each.
    static let ringBytes = 256 * 1024 * 1024
}
