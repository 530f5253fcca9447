import LongtakeCore
import LongtakeTesting

@testable import LongtakeSQLite

/// Random commands of all users of a journal. The same seed gives the same history.
struct RandomHistory {
    let clock = ManualClock()
    private var random: SplitMix
    private var claims: [Claim] = []
    private(set) var jobs = 0
    private var contents = 0
    /// Jobs whose submission got a response.
    private(set) var acknowledged: [(tenant: TenantName, id: JobID)] = []

    init(seed: UInt64) { random = SplitMix(state: seed) }

    /// The claims of an earlier boot.
    mutating func forgetClaims() { claims = [] }

    mutating func run(_ commands: Int, on journal: SQLiteJournal) async throws {
        for _ in 0..<commands {
            clock.advance(by: .milliseconds(random.below(900)))
            do {
                try await command(on: journal)
            } catch JournalError.notOwner, JournalError.refused {
                // A claim that is no longer valid.
            }
        }
    }

    private mutating func command(on journal: SQLiteJournal) async throws {
        let tenants = ["anonymous", "b", "c"]
        switch random.below(20) {
        case 0...4:
            jobs += 1
            let submission = Samples.submission(
                jobs, tenant: tenants[random.below(3)], priority: random.below(4) - 1,
                key: random.below(2) == 0 ? "key-\(jobs)" : nil)
            _ = try await journal.submit(submission)
            acknowledged.append((submission.tenant, submission.id))
        case 5...9:
            claims += try await journal.claim(queue: [Samples.cpu, Samples.gpu][random.below(2)], limit: 2).claims
        case 10 where jobs > 0:
            _ = try await journal.cancel(
                Samples.submission(1 + random.below(jobs)).id, of: TenantName(unchecked: tenants[random.below(3)]))
        case 11...14 where !claims.isEmpty:
            let share = Progress(Double(random.below(100)) / 100)
            _ = try await journal.report(
                StageReport(progress: share, message: "on"), for: claims[random.below(claims.count)])
        case 15...16 where !claims.isEmpty:
            contents += 1
            let claim = claims[random.below(claims.count)]
            let roles: [Artifact.Role] = [.preview, .intermediate]
            let artifact = Samples.artifact("\(claim.stage.name) \(random.below(2))", contents, roles[random.below(2)])
            _ = try await journal.register(artifact, for: claim)
        case 17... where !claims.isEmpty:
            let claim = claims.remove(at: random.below(claims.count))
            let error = JobError(code: "stage_failed", message: "no", stage: claim.stage.name)
            let outcomes: [StageOutcome] = [
                .succeeded(output: .integer(1), artifacts: [Samples.artifact("\(claim.stage.name)", jobs, .result)]),
                .succeeded(output: nil), .succeeded(output: nil),
                .retry(error: error, delay: .seconds(2)), .failed(error), .interrupted(.shutdown),
            ]
            _ = try await journal.finish(claim, with: outcomes[random.below(outcomes.count)])
        default: break
        }
    }
}
