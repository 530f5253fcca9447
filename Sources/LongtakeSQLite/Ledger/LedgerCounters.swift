import LongtakeCore

/// The number of claimable stages by queue, tenant and priority.
///
/// It gives the queue position of a new job without counting rows. It also collects the changes of
/// a transaction, so that each row of `share`, which has the sum over all priorities for the
/// claims, is written once per transaction and not once per job.
struct WaitingStages {
    private var tenants: [QueueName: [TenantName: Tally]] = [:]
    /// Changes of the present transaction, to be undone by a rollback.
    private var uncommitted: [Place: Int] = [:]
    /// Changes that the rows of `share` do not have yet.
    private var unwritten: [Share: Int] = [:]

    /// The key of a row of `share`.
    struct Share: Hashable {
        let queue: QueueName
        let tenant: TenantName
    }

    private struct Place: Hashable {
        let share: Share
        let priority: Priority
    }

    /// The stages of one tenant on one queue.
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

    /// Loads a count from the database, whose `share` rows are correct.
    mutating func load(_ count: Int, of share: Share, at priority: Priority) { tally(count, share, priority) }

    mutating func add(_ count: Int, on queue: QueueName, of tenant: TenantName, at priority: Priority) {
        let share = Share(queue: queue, tenant: tenant)
        tally(count, share, priority)
        uncommitted[Place(share: share, priority: priority), default: 0] += count
        unwritten[share, default: 0] += count
    }

    /// The number of claimable stages by queue.
    var totals: [QueueName: Int] { tenants.mapValues { $0.values.reduce(0) { $0 + $1.total } } }

    /// The queue position of a new stage: the number of claims expected before it.
    func position(on queue: QueueName, of tenant: TenantName, at priority: Priority) -> Int {
        guard let tenants = tenants[queue], let ahead = tenants[tenant]?.count(from: priority), ahead > 0 else {
            return 0
        }
        return QueuePosition.estimate(
            ahead: ahead, others: tenants.lazy.filter { $0.key != tenant }.map(\.value.total))
    }

    /// The changes for the rows of `share`.
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

/// The number of queued jobs per tenant, so that a submission can be checked against the limit
/// without a read.
struct QueuedJobs {
    private var counts: [TenantName: Int] = [:]
    /// Changes of the present transaction, to be undone by a rollback.
    private var uncommitted: [TenantName: Int] = [:]

    /// Loads a count from the database.
    mutating func load(_ count: Int, of tenant: TenantName) { change(tenant, by: count) }

    mutating func add(_ count: Int, of tenant: TenantName) {
        change(tenant, by: count)
        uncommitted[tenant, default: 0] += count
    }

    func count(of tenant: TenantName) -> Int { counts[tenant] ?? 0 }

    /// The transaction was committed.
    mutating func keep() { uncommitted.removeAll(keepingCapacity: true) }

    /// The transaction was rolled back.
    mutating func undo() {
        for (tenant, count) in uncommitted { change(tenant, by: -count) }
        keep()
    }

    private mutating func change(_ tenant: TenantName, by count: Int) {
        let after = self.count(of: tenant) + count
        // A tenant without queued jobs takes no memory.
        counts[tenant] = after == 0 ? nil : after
    }
}

/// The paused queues, which hand out no stages.
struct PausedQueues {
    private var names: Set<QueueName>
    /// The paused queues in the database.
    private var committed: Set<QueueName>

    /// - Parameter names: the paused queues in the database.
    init(_ names: Set<QueueName>) { (self.names, committed) = (names, names) }

    func contains(_ queue: QueueName) -> Bool { names.contains(queue) }

    mutating func insert(_ queue: QueueName) { names.insert(queue) }

    mutating func remove(_ queue: QueueName) { names.remove(queue) }

    /// The transaction was committed.
    mutating func keep() { committed = names }

    /// The transaction was rolled back.
    mutating func undo() { names = committed }
}
