import LongtakeCore
import LongtakeTesting

/// Checks the order of claims (O9): tenants take turns, and a paused queue hands out nothing.
///
/// While a tenant has a waiting stage, each other tenant gets at most two stages of the same queue:
/// one that starts where the waiting tenant's last one started, and the next. A tenant that has
/// just arrived waits for one of each.
struct ClaimWatch {
    private var passed: [Place: [TenantName: Int]] = [:]
    private(set) var broken: [String] = []
    static let most = 2

    private struct Place: Hashable {
        let queue: QueueName
        let tenant: TenantName
    }

    /// A command was executed.
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
            if paused.contains(queue) { broken.append("\(claim.job) is handed out of \(queue), which is paused") }
            let own = Place(queue: queue, tenant: claim.tenant)
            passed[own] = nil
            waiting[own, default: 0] -= 1
            for (place, count) in waiting where place.queue == queue && place.tenant != claim.tenant && count > 0 {
                passed[place, default: [:]][claim.tenant, default: 0] += 1
                if passed[place]?[claim.tenant] ?? 0 > Self.most {
                    broken.append("\(place.tenant) waits on \(queue) while \(claim.tenant) is served again and again")
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

    private static func waiting(in ledger: MemoryLedger) -> [Place: Int] {
        var waiting: [Place: Int] = [:]
        for tenant in SimulatedJob.tenants {
            for queue in ledger.queues(of: tenant) where queue.waiting > 0 {
                waiting[Place(queue: queue.name, tenant: tenant)] = queue.waiting
            }
        }
        return waiting
    }
}
