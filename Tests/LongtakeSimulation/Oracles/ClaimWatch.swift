import LongtakeCore
import LongtakeTesting

/// Checks the order of claims (O9): tenants take turns, and no stage of a paused queue is claimed.
///
/// While a tenant has a waiting stage, each other tenant gets at most two stages of the same queue.
/// The fair share of the first one may be equal to that of the waiting tenant's last stage, and the
/// second one follows it. A tenant without earlier stages waits for one stage of each other tenant.
struct ClaimWatch {
    /// The stages that other tenants got while this tenant waited.
    private var passed: [Waiter: [TenantName: Int]] = [:]
    private(set) var broken: [String] = []
    static let most = 2

    /// A tenant that waits for a stage of a queue.
    private struct Waiter: Hashable {
        let queue: QueueName
        let tenant: TenantName
    }

    /// Checks the claims of a command that was executed.
    mutating func look(from before: MemoryLedger, to after: MemoryLedger) {
        let claims = after.uncommitted.dropFirst(before.uncommitted.count).filter {
            $0.type == .stageStarted || $0.type == .jobResumed
        }
        guard !claims.isEmpty else { return forget(in: after) }
        var waiting = Self.waiting(in: before)
        let paused = Set(before.queues(of: nil).filter(\.isPaused).map(\.name))
        for claim in claims {
            guard let stages = after.job(claim.job, of: claim.tenant)?.stages,
                let queue = stages.first(where: { $0.state == .running })?.queue
            else { continue }
            if paused.contains(queue) { broken.append("\(claim.job) is claimed from \(queue), which is paused") }
            let own = Waiter(queue: queue, tenant: claim.tenant)
            passed[own] = nil
            waiting[own, default: 0] -= 1
            for (waiter, count) in waiting where waiter.queue == queue && waiter.tenant != claim.tenant && count > 0 {
                passed[waiter, default: [:]][claim.tenant, default: 0] += 1
                if passed[waiter]?[claim.tenant] ?? 0 > Self.most {
                    broken.append("\(waiter.tenant) waits on \(queue) while \(claim.tenant) gets more than its turn")
                }
            }
        }
        forget(in: after)
    }

    /// Forgets tenants that do not wait any more.
    private mutating func forget(in ledger: MemoryLedger) {
        let waiting = Self.waiting(in: ledger)
        passed = passed.filter { waiting[$0.key] ?? 0 > 0 }
    }

    private static func waiting(in ledger: MemoryLedger) -> [Waiter: Int] {
        var waiting: [Waiter: Int] = [:]
        for tenant in SimulatedJob.tenants {
            for queue in ledger.queues(of: tenant) where queue.waiting > 0 {
                waiting[Waiter(queue: queue.name, tenant: tenant)] = queue.waiting
            }
        }
        return waiting
    }
}
