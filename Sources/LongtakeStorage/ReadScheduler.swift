package import LongtakeCore

/// Decides which reads run, wait or are rejected, as a value: a limited number runs at once, the
/// others wait by tenant (``TenantTurns``), and a full queue rejects the tenant that fills it.
package struct ReadScheduler<Read> {
    private var turns: TenantTurns<Read>
    private let limit: Int
    private var isClosed = false

    /// - Parameters:
    ///   - width: how many reads run at once.
    ///   - limit: how many reads run or wait.
    package init(width: Int, limit: Int) {
        turns = TenantTurns(width: width)
        self.limit = limit
    }

    package var running: Int { turns.running }
    package var waiting: Int { turns.waiting }
    package var isIdle: Bool { running + waiting == 0 }

    package enum Admission {
        case run
        /// If there is a displaced read, it is rejected with ``JournalError/overloaded``.
        case wait(displaced: Read?)
        case reject(JournalError)
    }

    /// Admits a read. If the queue is full, the newest read of the tenant with the most waiting
    /// reads is displaced. If that is this tenant, its new read is rejected.
    /// - Parameter tenant: `nil` for the daemon's own reads.
    package mutating func admit(_ read: Read, of tenant: TenantName?) -> Admission {
        guard !isClosed else { return .reject(.closed) }
        var displaced: Read?
        if running + waiting >= limit {
            displaced = turns.makeRoom(for: tenant)
            if displaced == nil { return .reject(.overloaded) }
        }
        // A read was displaced only if some wait, and then no place is free.
        if turns.begin(of: tenant) { return .run }
        turns.wait(read, of: tenant)
        return .wait(displaced: displaced)
    }

    /// A read has ended.
    /// - Returns: the read that takes its place.
    package mutating func end(of tenant: TenantName?) -> Read? { turns.end(of: tenant)?.waiter }

    /// Removes a read that waits.
    package mutating func remove(of tenant: TenantName?, where matches: (Read) -> Bool) {
        turns.remove(of: tenant, where: matches)
    }

    /// Rejects all later reads, and removes those that wait.
    package mutating func close() -> [Read] {
        isClosed = true
        return turns.removeAll { _ in true }
    }
}
