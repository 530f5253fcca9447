/// Decides which read runs next, as a value: at most ``width`` reads run at once, and tenants take
/// turns.
///
/// If a read ends, the next one is of the first tenant in turn that has no running read. If all
/// waiting tenants have running reads, it is of the tenant with the fewest. The reads of one tenant
/// run in the order in which they arrived. So a tenant with a thousand waiting reads delays the
/// first read of another tenant by one read.
///
/// The daemon's own reads have no tenant (`nil`). They take turns like the reads of another tenant.
package struct TenantTurns<Waiter> {
    /// The number of reads that may run at once.
    private let width: Int
    /// The number of running reads.
    package private(set) var running = 0
    /// The number of waiting reads.
    package private(set) var waiting = 0
    private var queues: [TenantName?: Queue] = [:]
    /// The tenants that have waiting reads, in the order of their turns.
    private var turns: [TenantName?] = []

    private struct Queue {
        var running = 0
        /// The waiting reads. Those before ``first`` already run or have ended.
        var waiters: [Waiter] = []
        var first = 0

        var waiting: Int { waiters.count - first }

        /// Removes the first read that matches.
        /// - Returns: whether there was one.
        mutating func remove(where matches: (Waiter) -> Bool) -> Bool {
            guard let index = waiters[first...].firstIndex(where: matches) else { return false }
            if index == first { _ = popFirst() } else { waiters.remove(at: index) }
            return true
        }

        mutating func popFirst() -> Waiter {
            let waiter = waiters[first]
            first += 1
            // Frees the memory of the reads before `first`. A long queue moves its reads only if
            // most of its memory is unused, so that this costs little for each read.
            if first == waiters.count {
                (waiters, first) = ([], 0)
            } else if first > 32, first * 2 > waiters.count {
                waiters.removeFirst(first)
                first = 0
            }
            return waiter
        }
    }

    package init(width: Int) { self.width = max(1, width) }

    /// The number of waiting reads of one tenant.
    package func waiting(of tenant: TenantName?) -> Int { queues[tenant]?.waiting ?? 0 }

    /// Starts a read if fewer than ``width`` reads run.
    /// - Returns: whether the read runs now. If not, call ``wait(_:of:)``.
    package mutating func begin(of tenant: TenantName?) -> Bool {
        guard running < width else { return false }
        running += 1
        queues[tenant, default: Queue()].running += 1
        return true
    }

    /// Adds a waiting read.
    package mutating func wait(_ waiter: Waiter, of tenant: TenantName?) {
        if waiting(of: tenant) == 0 { turns.append(tenant) }
        queues[tenant, default: Queue()].waiters.append(waiter)
        waiting += 1
    }

    /// A read has ended, so the next one runs.
    /// - Returns: the read that runs now, with its tenant; `nil` if none waits.
    package mutating func end(of tenant: TenantName?) -> (waiter: Waiter, tenant: TenantName?)? {
        // The read that ends still counts here, so that a tenant without running reads goes first.
        guard let index = nextTurn() else {
            running -= 1
            released(tenant)
            return nil
        }
        let next = turns.remove(at: index)
        guard let waiter = queues[next]?.popFirst() else {
            preconditionFailure("a tenant that has a turn has no waiting read")
        }
        queues[next]?.running += 1
        waiting -= 1
        if waiting(of: next) > 0 { turns.append(next) }
        released(tenant)
        return (waiter, next)
    }

    /// Removes the first waiting read of a tenant that matches.
    package mutating func remove(of tenant: TenantName?, where matches: (Waiter) -> Bool) {
        guard queues[tenant]?.remove(where: matches) == true else { return }
        settle(tenant, less: 1)
    }

    /// Removes all waiting reads that match.
    package mutating func removeAll(where matches: (Waiter) -> Bool) -> [Waiter] {
        var removed: [Waiter] = []
        for tenant in turns {
            guard var queue = queues[tenant] else { continue }
            let before = removed.count
            let waiters = queue.waiters[queue.first...]
            (queue.waiters, queue.first) = (waiters.filter { !matches($0) }, 0)
            removed += waiters.filter(matches)
            queues[tenant] = queue
            settle(tenant, less: removed.count - before)
        }
        return removed
    }

    /// Makes room for a read of `tenant`: it removes the newest waiting read of the tenant with the
    /// most waiting reads.
    /// - Returns: the removed read; `nil` if no other tenant has more waiting reads than `tenant`.
    package mutating func makeRoom(for tenant: TenantName?) -> Waiter? {
        guard let longest = turns.max(by: { waiting(of: $0) < waiting(of: $1) }),
            waiting(of: longest) > waiting(of: tenant)
        else { return nil }
        let newest = queues[longest]?.waiters.removeLast()
        settle(longest, less: 1)
        return newest
    }

    /// The index of the tenant whose turn it is. At most ``width`` tenants have running reads, so
    /// the loop ends after at most ``width`` + 1 tenants.
    private func nextTurn() -> Int? {
        var fewest: (index: Int, running: Int)?
        for (index, tenant) in turns.enumerated() {
            let running = queues[tenant]?.running ?? 0
            if running == 0 { return index }
            if running < fewest?.running ?? .max { fewest = (index, running) }
        }
        return fewest?.index
    }

    /// Updates the counters after the caller has removed `count` reads from the queue of a tenant.
    /// The caller changes the queue in place, because copying a long queue under the lock of all
    /// reads would take too long.
    private mutating func settle(_ tenant: TenantName?, less count: Int) {
        waiting -= count
        guard waiting(of: tenant) == 0 else { return }
        turns.removeAll { $0 == tenant }
        if queues[tenant]?.running == 0 { queues[tenant] = nil }
    }

    private mutating func released(_ tenant: TenantName?) {
        queues[tenant]?.running -= 1
        if let queue = queues[tenant], queue.waiting == 0, queue.running == 0 { queues[tenant] = nil }
    }
}
