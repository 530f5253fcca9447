import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

/// Compares the journal on disk with the one in memory, which has an implementation of its own:
/// same commands, same results, same bytes.
@Suite("random commands")
struct DifferentialTests {
    @Test("both journals agree on every job and every event", arguments: [1, 2, 3, 4] as [UInt64])
    func agree(_ seed: UInt64) async throws {
        let scratch = ScratchDirectory()
        let clock = ManualClock()
        var disk = try await scratch.open(clock)
        var memory = MemoryJournal(epoch: disk.epoch, clock: clock)
        var random = SplitMix(state: seed)
        var (held, jobs) = ([Claim](), 0)
        var outcomes: [SubmissionOutcome] = []
        for step in 1...600 {
            clock.advance(by: .milliseconds(random.below(900)))
            switch random.below(14) {
            case 0, 1:
                jobs += 1
                let submission = Samples.submission(
                    jobs, tenant: ["anonymous", "b", "c"][random.below(3)], priority: random.below(3))
                let (one, two) = (try await disk.submit(submission), try await memory.submit(submission))
                #expect(one == two, "seed \(seed), step \(step)")
            case 2, 3:
                let queue = [Samples.cpu, Samples.gpu][random.below(2)]
                let (one, two) = (
                    try await disk.claim(queue: queue, limit: 2), try await memory.claim(queue: queue, limit: 2)
                )
                #expect(one == two, "seed \(seed), step \(step)")
                held += one.claims
            case 4 where jobs > 0:
                let id = Samples.submission(1 + random.below(jobs)).id
                let (one, two) = (
                    try await disk.cancel(id, of: .anonymous), try await memory.cancel(id, of: .anonymous)
                )
                #expect(one == two, "seed \(seed), step \(step)")
            case 5...7 where !held.isEmpty:
                let report = StageReport(progress: Progress(Double(random.below(100)) / 100), message: "\(step)")
                let claim = held[random.below(held.count)]
                let one = await answer { try await disk.report(report, for: claim) }
                let two = await answer { try await memory.report(report, for: claim) }
                #expect(one == two, "seed \(seed), step \(step)")
            case 8 where !held.isEmpty:
                let claim = held[random.below(held.count)]
                let error = JobError(code: "stage_failed", message: "no", stage: claim.stage.name)
                let outcomes: [StageOutcome] = [
                    .succeeded(output: .integer(1)), .succeeded(output: nil), .retry(error: error, delay: .seconds(1)),
                    .failed(error), .interrupted(.shutdown),
                ]
                let outcome = outcomes[random.below(outcomes.count)]
                let one = await answer { try await disk.finish(claim, with: outcome) }
                let two = await answer { try await memory.finish(claim, with: outcome) }
                #expect(one == two, "seed \(seed), step \(step)")
            case 10 where jobs > 0:
                let id = Samples.submission(1 + random.below(jobs)).id
                let one = await answer { try await disk.delete(id, of: .anonymous) }
                let two = await answer { try await memory.delete(id, of: .anonymous) }
                #expect(one == two, "seed \(seed), step \(step)")
            case 11 where jobs > 0:
                var submission = Samples.submission(jobs + 1, key: "key \(random.below(8))")
                submission.retryOf = Samples.submission(1 + random.below(jobs)).id
                let one = await answer { outcomes.append(try await disk.submit(submission)) }
                let two = await answer { outcomes.append(try await memory.submit(submission)) }
                #expect(one == two && Set(outcomes).count <= 1, "seed \(seed), step \(step)")
                if case .created = outcomes.first { jobs += 1 }
                outcomes = []
            case 12:
                let (queue, isPause) = ([Samples.cpu, Samples.gpu][random.below(2)], random.below(3) == 0)
                for journal in [disk, memory] as [any Journal] {
                    if isPause { try await journal.pause(queue) } else { try await journal.resume(queue) }
                }
            default:
                continue
            }
            for tenant in [nil, TenantName(unchecked: "b")] {
                #expect(try await disk.queues(of: tenant) == memory.queues(of: tenant), "seed \(seed), step \(step)")
            }
            if step == 300 {
                for claim in held {
                    _ = await answer { try await disk.finish(claim, with: .interrupted(.shutdown)) }
                    _ = await answer { try await memory.finish(claim, with: .interrupted(.shutdown)) }
                }
                try await disk.close()
                disk = try await scratch.open(clock)
                // A new boot is a new holder.
                memory = memory.anotherHandle(disk.holder)
            }
        }
        for number in stride(from: 1, through: jobs, by: 1) {
            for tenant in ["anonymous", "b", "c"].map(TenantName.init(unchecked:)) {
                let id = Samples.submission(number).id
                #expect(try await disk.job(id, of: tenant) == memory.job(id, of: tenant), "seed \(seed), job \(number)")
                let one = try await disk.events(of: id, of: tenant, after: .beforeFirst, limit: 1_000)
                let two = try await memory.events(of: id, of: tenant, after: .beforeFirst, limit: 1_000)
                #expect(one?.events.map(\.json) == two?.events.map(\.json), "seed \(seed), job \(number)")
                #expect(one?.head == two?.head && one?.isFinal == two?.isFinal)
            }
        }
        for tenant in ["anonymous", "b", "c"].map(TenantName.init(unchecked:)) {
            let query = FeedQuery(tenant: tenant, after: .beforeFirst, limit: 10_000)
            let (one, two) = (try await disk.events(query), try await memory.events(query))
            #expect(one.prunedThrough == two.prunedThrough && one.head == two.head, "seed \(seed), \(tenant)")
        }
        #expect(try disk.inspectWriter { try String.fetchAll($0, sql: "PRAGMA integrity_check") } == ["ok"])
        #expect(try disk.inspectWriter { try Row.fetchAll($0, sql: "PRAGMA foreign_key_check").count } == 0)
        try await disk.close()
    }

    private func answer<Value>(_ body: () async throws -> Value) async -> String {
        do {
            return "\(try await body())"
        } catch {
            return "\(error)"
        }
    }
}

/// A small repeatable generator (Steele, Lea and Flood 2014, “SplitMix”).
struct SplitMix {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }
}
