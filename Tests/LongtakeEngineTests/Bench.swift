import Logging
import LongtakeCore
import LongtakeTesting
import Synchronization

@testable import LongtakeEngine

/// An engine on a journal in memory, with clocks that the test moves.
struct Bench: Sendable {
    let clock = TestClock()
    let wall = ManualClock()
    let log = SeenLog()
    let journal: MemoryJournal
    let flaky: FlakyJournal
    let engine: Engine

    /// `claims`: how many stages may be claimed before the queue is held back.
    init(workers: Int = 4, runner: ClosureRunner, claims: Int = .max) {
        journal = MemoryJournal(clock: wall)
        flaky = FlakyJournal(journal, claims: claims)
        journal.observeEvents { [log] in log.add($0) }
        engine = Engine(
            configuration: EngineConfiguration(
                workers: [Work.cpu: workers], reportInterval: .zero, randomness: SplitMix64(seed: 1)),
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

    init(_ body: @escaping @Sendable (Claim, Report) async throws -> JSONValue?) { self.body = body }

    func run(_ claim: Claim, report: @escaping Report) async throws -> JSONValue? { try await body(claim, report) }
}

/// What was committed, and a way to wait for it.
final class SeenLog: Sendable {
    private typealias Watcher = (
        job: JobID, isMet: @Sendable ([EventType]) -> Bool, tell: CheckedContinuation<Void, Never>
    )
    private let state = Mutex<(events: [CommittedEvent], watchers: [Watcher])>(([], []))

    func add(_ events: [CommittedEvent]) {
        update { $0.events += events }
    }

    /// Returns as soon as the types of the job's events are as wished.
    func wait(for job: JobID, until isMet: @escaping @Sendable ([EventType]) -> Bool) async {
        await withCheckedContinuation { tell in
            update { $0.watchers.append((job, isMet, tell)) }
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
            let met = state.watchers.filter(isMet).map(\.tell)
            state.watchers.removeAll(where: isMet)
            return met
        }
        for watcher in met { watcher.resume() }
    }
}

/// The journal in memory with faults put in front of it.
final class FlakyJournal: JournalDouble {
    typealias AfterClaim = @Sendable (MemoryJournal, [Claim]) async throws -> Void

    let inner: MemoryJournal
    private let state: Mutex<(failingClaims: Int, failingFinishes: Int, claims: Int, afterClaim: AfterClaim?)>

    init(_ journal: MemoryJournal, claims: Int) {
        inner = journal
        state = Mutex((0, 0, claims, nil))
    }

    /// Called between a claim's commit and its return.
    var afterClaim: AfterClaim? {
        get { state.withLock { $0.afterClaim } }
        set { state.withLock { $0.afterClaim = newValue } }
    }

    /// The next calls throw as a full disk does.
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
