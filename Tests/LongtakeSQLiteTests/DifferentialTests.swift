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
                var submission = Samples.submission(
                    jobs, tenant: ["anonymous", "b", "c"][random.below(3)], priority: random.below(3))
                if random.below(3) == 0 {
                    let hash = Samples.content(random.below(6)).hash
                    submission.files = [FileReference(field: "image", source: .file(FileID(hash)))]
                }
                let one = await answer { try await disk.submit(submission) }
                let two = await answer { try await memory.submit(submission) }
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
                let results = [Samples.artifact("a", random.below(9), .result), Samples.artifact("c", step, .result)]
                let outcomes: [StageOutcome] = [
                    .succeeded(output: .integer(1), artifacts: results), .succeeded(output: nil),
                    .retry(error: error, delay: .seconds(1)),
                    .failed(error), .interrupted(.shutdown),
                ]
                let outcome = outcomes[random.below(outcomes.count)]
                let one = await answer { try await disk.finish(claim, with: outcome) }
                let two = await answer { try await memory.finish(claim, with: outcome) }
                #expect(one == two, "seed \(seed), step \(step)")
            case 9 where !held.isEmpty:
                let claim = held[random.below(held.count)]
                let role: Artifact.Role = [.preview, .intermediate][random.below(2)]
                let artifact = Samples.artifact(["a", "b"][random.below(2)], random.below(9), role)
                let one = await answer { try await disk.register(artifact, for: claim) }
                let two = await answer { try await memory.register(artifact, for: claim) }
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
            case 13:
                try await compareFiles(disk, memory, clock, &random, "seed \(seed), step \(step)")
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

    /// Changes the files and the list of unused content in both journals.
    private func compareFiles(
        _ disk: SQLiteJournal, _ memory: MemoryJournal, _ clock: ManualClock, _ random: inout SplitMix, _ place: Comment
    ) async throws {
        let tenant = TenantName(unchecked: ["anonymous", "b"][random.below(2)])
        let (number, action) = (random.below(6), random.below(5))
        let (file, id) = (Samples.file(number, at: clock.now()), FileID(Samples.content(number).hash))
        if action == 4 { clock.advance(by: .seconds(13 * 3600)) }
        var answers: [String] = []
        for journal in [disk, memory] as [any Journal] {
            answers.append(
                await answer {
                    switch action {
                    case 0, 1: "\(try await journal.add(file, of: tenant, limit: 400))"
                    case 2: "\(try await journal.delete(id, of: tenant))"
                    case 3: "\(String(describing: try await journal.file(id, of: tenant)))"
                    default:
                        "\(try await journal.removeExpired(intermediatesOfJobsEndedBefore: clock.steady()))"
                    }
                })
            answers[answers.count - 1] += "\(try await journal.files(of: tenant, after: nil, limit: 9))"
            let unused = try await journal.unusedContent(limit: 100)
            // A store may list content that another row still uses.
            for key in unused where try await !journal.isUsed(key) { answers[answers.count - 1] += " \(key)" }
            try await journal.checked(unused)
            answers[answers.count - 1] += "\(try await journal.usedContent(after: nil, limit: 100))"
        }
        #expect(answers[0] == answers[1], place)
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
