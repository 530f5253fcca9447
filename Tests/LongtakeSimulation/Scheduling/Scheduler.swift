/// A thread of the daemon that runs one step after the other, such as an event loop or the
/// journal's writer.
protocol Strand: AnyObject {
    var isReady: Bool { get }
    func step()
}

/// Decides which of all ready jobs and strands runs next.
final class Scheduler {
    /// Which of the ready jobs and strands runs more often. Real machines are seldom fair.
    enum Policy: CaseIterable {
        case fair, newestFirst, oldestFirst
        /// One strand hardly ever runs while another strand or a job is ready.
        case starving
    }

    private let chance: Chance
    private let trace: Trace
    private let policy: Policy
    /// The strand that hardly ever runs, if the policy is `starving`.
    private let starved: Int
    private let suspendsAtCalls: Bool
    private(set) var strands: [any Strand] = []
    private(set) var steps = 0
    /// The strands that can run in this step, by index.
    private var ready: [Int] = []

    init(chance: Chance, trace: Trace) {
        self.chance = chance
        self.trace = trace
        policy = chance.one(of: Policy.allCases)
        starved = chance.below(4)
        suspendsAtCalls = chance.isOne(in: 4)
    }

    /// Replaces all strands with those of a new boot.
    func follow(_ strands: [any Strand]) { self.strands = strands }

    /// Runs one job or strand.
    /// - Returns: whether one was ready.
    func step() -> Bool {
        ready.removeAll(keepingCapacity: true)
        var index = 0
        while index < strands.count {
            if strands[index].isReady { ready.append(index) }
            index += 1
        }
        let jobs = JobHook.ready.count
        guard jobs + ready.count > 0 else { return false }
        steps += 1
        let choice = choose(jobs)
        trace.mix(UInt64(jobs + ready.count) << 32 | UInt64(choice))
        if choice < jobs {
            JobHook.run(choice, suspendsAtCalls: suspendsAtCalls)
        } else {
            strands[ready[choice - jobs]].step()
        }
        return true
    }

    /// Runs everything in the order in which it became ready, until nothing can run.
    func runAll() {
        while true {
            if !JobHook.ready.isEmpty {
                JobHook.run(0, suspendsAtCalls: false)
            } else if let strand = strands.first(where: \.isReady) {
                strand.step()
            } else {
                return
            }
        }
    }

    private func choose(_ jobs: Int) -> Int {
        let count = jobs + ready.count
        guard count > 1, !chance.isOne(in: 5) else { return chance.below(count) }
        switch policy {
        case .fair: return chance.below(count)
        case .newestFirst: return jobs > 0 ? jobs - 1 : chance.below(count)
        case .oldestFirst: return jobs > 0 ? 0 : chance.below(count)
        case .starving:
            let others = (0..<count).filter { $0 < jobs || ready[$0 - jobs] != starved % strands.count }
            return others.isEmpty ? chance.below(count) : chance.one(of: others)
        }
    }
}
