import LongtakeCore

/// How many jobs of each tenant are queued, as the writer has decided last: what a submission is measured by without a read.
struct QueuedJobs {
    private var counts: [TenantName: Int] = [:]
    /// Not committed yet: to be taken back with the transaction.
    private var uncommitted: [TenantName: Int] = [:]

    /// Counts what the database holds already.
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
        // A tenant that has none takes no memory.
        counts[tenant] = after == 0 ? nil : after
    }
}
