/// Decides which read begins next: at most ``width`` run at once, and tenants take turns for the places.
///
/// When a place becomes free, the first tenant in line that has no read running gets it. If all of them have some, the tenant with the fewest
/// does. The reads of one tenant begin in the order in which they came. So a tenant with a thousand reads in line delays another tenant's
/// first read by one read.
///
/// The daemon's own reads have no tenant (`nil`). They take turns like those of one more tenant.
package struct TenantTurns<Waiter> {
    /// How many may run at once.
    private let width: Int
    /// How many run.
    package private(set) var running = 0
    /// How many wait.
    package private(set) var waiting = 0
    private var lines: [TenantName?: Line] = [:]
    /// The tenants that have reads in line, in the order of their turns.
    private var turns: [TenantName?] = []

    private struct Line {
        var running = 0
        /// Those before ``first`` have begun.
        var waiters: [Waiter] = []
        var first = 0

        var waiting: Int { waiters.count - first }

        /// Takes out the first that matches.
        mutating func remove(where matches: (Waiter) -> Bool) -> Bool {
            guard let index = waiters[first...].firstIndex(where: matches) else { return false }
            if index == first { _ = popFirst() } else { waiters.remove(at: index) }
            return true
        }

        mutating func popFirst() -> Waiter {
            let waiter = waiters[first]
            first += 1
            // An empty line keeps nothing; a long one moves only when most of it has begun.
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

    /// How many reads of one tenant wait.
    package func waiting(of tenant: TenantName?) -> Int { lines[tenant]?.waiting ?? 0 }

    /// Takes a place, where one is free.
    /// - Returns: whether the read begins now. Otherwise ``wait(_:of:)`` puts it in line.
    package mutating func begin(of tenant: TenantName?) -> Bool {
        guard running < width else { return false }
        running += 1
        lines[tenant, default: Line()].running += 1
        return true
    }

    /// Puts a read in line.
    package mutating func wait(_ waiter: Waiter, of tenant: TenantName?) {
        if waiting(of: tenant) == 0 { turns.append(tenant) }
        lines[tenant, default: Line()].waiters.append(waiter)
        waiting += 1
    }

    /// A read has ended, and its place goes to the next in line.
    /// - Returns: the read that begins now, with its tenant; `nil` where none waits.
    package mutating func end(of tenant: TenantName?) -> (waiter: Waiter, tenant: TenantName?)? {
        // The read that ends still counts here, so that its tenant gives way to one that has none.
        guard let index = nextTurn() else {
            running -= 1
            released(tenant)
            return nil
        }
        let next = turns.remove(at: index)
        guard let waiter = lines[next]?.popFirst() else {
            preconditionFailure("a tenant with a turn has a read in line")
        }
        lines[next]?.running += 1
        waiting -= 1
        if waiting(of: next) > 0 { turns.append(next) }
        released(tenant)
        return (waiter, next)
    }

    /// Takes the first read that matches out of a tenant's line.
    package mutating func remove(of tenant: TenantName?, where matches: (Waiter) -> Bool) {
        guard lines[tenant]?.remove(where: matches) == true else { return }
        settle(tenant, less: 1)
    }

    /// Takes the reads that match out of all lines.
    package mutating func removeAll(where matches: (Waiter) -> Bool) -> [Waiter] {
        var removed: [Waiter] = []
        for tenant in turns {
            guard var line = lines[tenant] else { continue }
            let before = removed.count
            let waiters = line.waiters[line.first...]
            (line.waiters, line.first) = (waiters.filter { !matches($0) }, 0)
            removed += waiters.filter(matches)
            lines[tenant] = line
            settle(tenant, less: removed.count - before)
        }
        return removed
    }

    /// Makes room in the lines for a read of `tenant`: the newest read of the tenant with the longest line gives way.
    /// - Returns: the read that gives way; `nil` where `tenant` has the longest line itself, or no read waits.
    package mutating func makeRoom(for tenant: TenantName?) -> Waiter? {
        guard let longest = turns.max(by: { waiting(of: $0) < waiting(of: $1) }),
            waiting(of: longest) > waiting(of: tenant)
        else { return nil }
        let newest = lines[longest]?.waiters.removeLast()
        settle(longest, less: 1)
        return newest
    }

    /// At most ``width`` tenants have a read running, so the look ends soon however many wait.
    private func nextTurn() -> Int? {
        var fewest: (index: Int, running: Int)?
        for (index, tenant) in turns.enumerated() {
            let running = lines[tenant]?.running ?? 0
            if running == 0 { return index }
            if running < fewest?.running ?? .max { fewest = (index, running) }
        }
        return fewest?.index
    }

    /// So many reads left a tenant's line, which was changed in place: a copy of a long line costs too much under the lock of all reads.
    private mutating func settle(_ tenant: TenantName?, less count: Int) {
        waiting -= count
        guard waiting(of: tenant) == 0 else { return }
        turns.removeAll { $0 == tenant }
        if lines[tenant]?.running == 0 { lines[tenant] = nil }
    }

    private mutating func released(_ tenant: TenantName?) {
        lines[tenant]?.running -= 1
        if let line = lines[tenant], line.waiting == 0, line.running == 0 { lines[tenant] = nil }
    }
}
