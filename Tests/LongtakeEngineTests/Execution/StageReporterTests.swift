import Logging
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeEngine

@Suite("stage reporter")
struct StageReporterTests {
    private let clock = TestClock()
    private let journal = MemoryJournal(clock: ManualClock())

    /// A reporter of the only stage of a new job.
    private func reporter(interval: Duration = .seconds(1)) async throws -> (StageReporter, Claim) {
        _ = try await journal.submit(Work.submission())
        let claim = try #require(try await journal.claim(queue: Work.cpu, limit: 1, for: journal.holder).claims.first)
        let reporter = StageReporter(
            claim: claim, store: journal, interval: interval, timeline: Timeline(on: clock),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        return (reporter, claim)
    }

    private func events(of claim: Claim) async throws -> Int {
        let page = try await journal.events(
            of: claim.job, of: .anonymous, after: EventSequence(rawValue: 0), limit: 100)
        return page?.events.count { $0.type == .stageProgress } ?? 0
    }

    /// The checkpoint that the next claim gets.
    private func stored(_ claim: Claim) async throws -> Checkpoint? {
        _ = try await journal.finish(claim, with: .interrupted(.shutdown))
        return try await journal.claim(queue: Work.cpu, limit: 1, for: journal.holder).claims.first?.checkpoint
    }

    private func report(_ progress: Double, _ checkpoint: Int64?, message: String = "") -> StageReport {
        StageReport(progress: Progress(progress), message: message, checkpoint: checkpoint.map(JSONValue.integer))
    }

    @Test("stores the checkpoint of a dropped report alone, without an event, when it has waited 10 s")
    func checkpointAlone() async throws {
        let (reporter, claim) = try await reporter(interval: .seconds(60))
        try await reporter.report(report(0.1, 1))
        try await reporter.report(report(0.2, 2))
        await reporter.storeCheckpointIfDue()
        clock.advance(by: .seconds(10))
        await reporter.storeCheckpointIfDue()
        #expect(try await events(of: claim) == 1)
        #expect(try await stored(claim) == Checkpoint(progress: Progress(0.1), data: .integer(2)))
    }

    @Test("stores the newest checkpoint before an interruption, also one that came after the stop")
    func lastCheckpoint() async throws {
        let (reporter, claim) = try await reporter(interval: .seconds(60))
        try await reporter.report(report(0.1, 1))
        let stopped = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await reporter.report(report(0.2, 3))
        }
        await #expect(throws: CancellationError.self) { try await stopped.value }
        await reporter.storeLastCheckpoint()
        #expect(try await stored(claim)?.data == .integer(3))
    }

    @Test("sends a waiting checkpoint with the next report")
    func withNext() async throws {
        let (reporter, claim) = try await reporter()
        try await reporter.report(report(0.1, 1))
        try await reporter.report(report(0.2, 2))
        clock.advance(by: .seconds(1))
        try await reporter.report(report(0.3, nil))
        #expect(try await stored(claim) == Checkpoint(progress: Progress(0.3), data: .integer(2)))
    }

    @Test("does not write a report that changes nothing")
    func unchanged() async throws {
        let (reporter, claim) = try await reporter(interval: .zero)
        for _ in 0..<3 { try await reporter.report(report(0.1, nil, message: "a")) }
        try await reporter.report(report(0.1, nil, message: "b"))
        try await reporter.report(report(0.1, 1, message: "b"))
        #expect(try await events(of: claim) == 3)
    }

    @Test("paces previews like reports, and apart from them")
    func previews() async throws {
        let (reporter, _) = try await reporter()
        try await reporter.report(report(0.1, nil))
        #expect(reporter.admitsPreview())
        #expect(!reporter.admitsPreview())
        clock.advance(by: .seconds(1))
        #expect(reporter.admitsPreview())
    }
}
