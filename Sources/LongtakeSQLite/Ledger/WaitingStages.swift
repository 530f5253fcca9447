import LongtakeCore

/// How many stages can be claimed now, by queue, tenant and priority, as the writer has decided last.
///
/// It tells a new job's place in its queue without counting rows, and gathers what a transaction changes, so that each row of `share`, which
/// holds the sum over the priorities for the claims, is written once a transaction and not once a job.
struct WaitingStages {
    private var tenants: [QueueName: [TenantName: Tally]] = [:]
    /// Not committed yet: to be taken back with the transaction.
    private var uncommitted: [Place: Int] = [:]
    /// Not in the rows of `share` yet.
    private var unwritten: [Share: Int] = [:]

    /// What a row of `share` is about.
    struct Share: Hashable {
        let queue: QueueName
        let tenant: TenantName
    }

    private struct Place: Hashable {
        let share: Share
        let priority: Priority
    }

    /// Of one tenant on one queue.
    private struct Tally {
        private(set) var total = 0
        private var byPriority: [Priority: Int] = [:]

        mutating func add(_ count: Int, at priority: Priority) {
            total += count
            byPriority[priority, default: 0] += count
            if byPriority[priority] == 0 { byPriority[priority] = nil }
        }

        func count(from priority: Priority) -> Int { byPriority.reduce(0) { $1.key < priority ? $0 : $0 + $1.value } }
    }

    /// Counts what the database holds already, whose `share` rows are right.
    mutating func load(_ count: Int, of share: Share, at priority: Priority) { tally(count, share, priority) }

    mutating func add(_ count: Int, on queue: QueueName, of tenant: TenantName, at priority: Priority) {
        let share = Share(queue: queue, tenant: tenant)
        tally(count, share, priority)
        uncommitted[Place(share: share, priority: priority), default: 0] += count
        unwritten[share, default: 0] += count
    }

    /// How many claims come before a stage that is about to wait and is younger than all that do.
    func position(on queue: QueueName, of tenant: TenantName, at priority: Priority) -> Int {
        guard let tenants = tenants[queue], let ahead = tenants[tenant]?.count(from: priority), ahead > 0 else {
            return 0
        }
        return QueueOutlook.position(
            ahead: ahead, others: tenants.lazy.filter { $0.key != tenant }.map(\.value.total))
    }

    /// What the rows of `share` are to be changed by.
    mutating func takeUnwritten() -> [Share: Int] {
        defer { unwritten.removeAll(keepingCapacity: true) }
        return unwritten
    }

    /// The transaction was committed.
    mutating func keep() { uncommitted.removeAll(keepingCapacity: true) }

    /// The transaction was rolled back, and with it the rows of `share`.
    mutating func undo() {
        for (place, count) in uncommitted { tally(-count, place.share, place.priority) }
        uncommitted.removeAll(keepingCapacity: true)
        unwritten.removeAll(keepingCapacity: true)
    }

    private mutating func tally(_ count: Int, _ share: Share, _ priority: Priority) {
        tenants[share.queue, default: [:]][share.tenant, default: Tally()].add(count, at: priority)
        if tenants[share.queue]?[share.tenant]?.total == 0 { tenants[share.queue]?[share.tenant] = nil }
    }
}
