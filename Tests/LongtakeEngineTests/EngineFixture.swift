import Logging
import LongtakeCore
import LongtakeTesting
import Synchronization

@testable import LongtakeEngine

/// An engine over a journal in memory, with clocks that the test advances.
struct EngineFixture: Sendable {
    let clock = TestClock()
    let wall = ManualClock()
    let events = RecordedEvents()
    let journal: MemoryJournal
    let flaky: FlakyJournal
    let engine: Engine

    /// - Parameter claims: the number of stages that can be claimed. After that, claims return
    ///   nothing.
    init(
        workers: Int = 4, runner: ClosureRunner, claims: Int = .max,
        mayClaim: @escaping @Sendable (QueueName) -> Bool = { _ in true }
    ) {
        journal = MemoryJournal(clock: wall)
        flaky = FlakyJournal(journal, claims: claims)
        journal.observeEvents { [events] in events.add($0) }
        engine = Engine(
            configuration: EngineConfiguration(
                workers: [Work.cpu: workers], reportInterval: .zero, randomness: SplitMix64(seed: 1),
                mayClaim: mayClaim),
            store: flaky, runners: StageRunners([.simulated: runner]), clock: clock, wallClock: wall,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    func submit(_ submission: Submission) async throws -> JobID {
        _ = try await journal.submit(submission)
        return submission.id
    }

    struct NoSuchJob: Error {}

    func job(_ id: JobID) async throws -> Job {
        guard let job = try await journal.job(id, of: .anonymous) else { throw NoSuchJob() }
        return job
    }
}

struct ClosureRunner: StageRunner {
    typealias Report = @Sendable (StageReport) async throws -> Void
    let body: @Sendable (Claim, Report) async throws -> JSONValue?
    /// The results of a stage that succeeds.
    var artifacts: [Artifact] = []

    init(_ body: @escaping @Sendable (Claim, Report) async throws -> JSONValue?) { self.body = body }

    func run(_ claim: Claim, reports: StageReports) async throws -> StageResult {
        StageResult(output: try await body(claim, { try await reports.report($0) }), artifacts: artifacts)
    }
}

/// Records committed events and lets tests wait for them.
final class RecordedEvents: Sendable {
    private typealias Watcher = (
        job: JobID, isMet: @Sendable ([EventType]) -> Bool, caller: CheckedContinuation<Void, Never>
    )
    private let state = Mutex<(events: [CommittedEvent], watchers: [Watcher])>(([], []))

    func add(_ events: [CommittedEvent]) {
        update { $0.events += events }
    }

    /// Returns as soon as the types of the job's events meet the condition.
    func wait(for job: JobID, until isMet: @escaping @Sendable ([EventType]) -> Bool) async {
        await withCheckedContinuation { caller in
            update { $0.watchers.append((job, isMet, caller)) }
        }
    }

    func types(of job: JobID) -> [EventType] { state.withLock { $0.events.filter { $0.job == job }.map(\.type) } }

    func text(of job: JobID) -> String {
        state.withLock { $0.events.filter { $0.job == job }.map(\.json).joined(separator: "\n") }
    }

    func delays(of job: JobID) -> [Double] {
        state.withLock { $0.events.filter { $0.job == job } }.compactMap {
            (try? JSONText.decode(JSONValue.self, from: $0.payload))?["delay_seconds"]?.double
        }
    }

    private func update(_ change: (inout (events: [CommittedEvent], watchers: [Watcher])) -> Void) {
        let met = state.withLock { state in
            change(&state)
            let events = state.events
            let isMet = { (watcher: Watcher) in
                watcher.isMet(events.filter { $0.job == watcher.job }.map(\.type))
            }
            let met = state.watchers.filter(isMet).map(\.caller)
            state.watchers.removeAll(where: isMet)
            return met
        }
        for watcher in met { watcher.resume() }
    }
}

/// A journal in memory whose calls can be made to fail.
final class FlakyJournal: JournalDouble {
    typealias AfterClaim = @Sendable (MemoryJournal, [Claim]) async throws -> Void

    let inner: MemoryJournal
    private let state: Mutex<(failingClaims: Int, failingFinishes: Int, claims: Int, afterClaim: AfterClaim?)>

    init(_ journal: MemoryJournal, claims: Int) {
        inner = journal
        state = Mutex((0, 0, claims, nil))
    }

    /// Called after a claim is committed and before it returns.
    var afterClaim: AfterClaim? {
        get { state.withLock { $0.afterClaim } }
        set { state.withLock { $0.afterClaim = newValue } }
    }

    /// Makes the next calls throw the error of a full disk.
    func fail(claims: Int, finishes: Int) {
        state.withLock { ($0.failingClaims, $0.failingFinishes) = (claims, finishes) }
    }

    func claim(queue: QueueName, limit: Int, for holder: HolderID) async throws -> ClaimResult {
        let (isFailing, rest) = state.withLock { state in
            state.failingClaims -= 1
            return (state.failingClaims >= 0, state.claims)
        }
        if isFailing { throw JournalError.cannotPersist("disk full") }
        guard rest > 0 else { return ClaimResult(claims: [], nextDue: nil) }
        let result = try await inner.claim(queue: queue, limit: min(limit, rest), for: holder)
        state.withLock { $0.claims -= result.claims.count }
        try await afterClaim?(inner, result.claims)
        return result
    }

    func finish(_ claim: Claim, with outcome: StageOutcome) async throws -> JobState {
        let isFailing = state.withLock { state in
            state.failingFinishes -= 1
            return state.failingFinishes >= 0
        }
        if isFailing { throw JournalError.cannotPersist("disk full") }
        return try await inner.finish(claim, with: outcome)
    }
}

/// Sample claims, stages and submissions of simulated work.
enum Work {
    static let cpu = QueueName(unchecked: "cpu")
    static let job = JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t2") ?? JobID(at: Timestamp(millisecondsSince1970: 0))

    static func stage(
        _ name: String = "frames", queue: QueueName = cpu, seconds: Double = 10, limit: Double? = nil, steps: Int = 10,
        message: String = "step {step} of {steps}", output: JSONValue? = nil
    ) -> Stage {
        Stage(
            name: StageName(unchecked: name), queue: queue, expectedSeconds: seconds, timeLimitSeconds: limit,
            work: .simulated(SimulatedWork(steps: steps, message: message, lengthSeconds: 8, output: output)))
    }

    static func claim(
        _ stage: Stage = stage(), fence: Int64 = 1, attempt: Int = 1, checkpoint: Double = 0, input: JSONValue = .null,
        simulation: Simulation? = nil
    ) -> Claim {
        Claim(
            id: ClaimID(job: job, stageIndex: 0, fence: Fence(rawValue: fence)), holder: HolderID(rawValue: 1),
            stage: stage, attempt: attempt, checkpoint: Checkpoint(progress: Progress(checkpoint)), input: input,
            simulation: simulation)
    }

    static func submission(_ stages: [Stage] = [stage()], simulation: Simulation? = nil) -> Submission {
        var generator = SystemRandomNumberGenerator()
        return Submission(
            id: JobID(at: Timestamp(millisecondsSince1970: 0), using: &generator),
            pipeline: Pipeline(name: PipelineName(unchecked: "p"), stages: stages), input: .object([:]),
            simulation: simulation)
    }
}

extension JobID {
    init(at time: Timestamp) {
        var generator = SystemRandomNumberGenerator()
        self.init(at: time, using: &generator)
    }
}
