import GRDB
import Logging
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

/// The wall clock is set while the daemon runs (fault F10), by a year, because slow work could
/// explain an hour.
@Suite("a wall clock that is set")
struct ClockJumpTests {
    private static let year = Duration.seconds(365 * 86_400)
    private let clock = ManualClock()
    private let scratch = ScratchDirectory()
    private let id = Samples.submission(1).id

    /// ```
    /// submit ── jump ── claim ── 0.3 s ── jump back twice ── succeed ── claim ── 0.4 s ── succeed
    /// ```
    /// This test failed with durations of the wall clock: a year, or 0.
    @Test(
        "changes no duration, and no job's times go back",
        arguments: [year, .zero - year], [true, false])
    func durations(_ jump: Duration, _ keepsMemory: Bool) async throws {
        let journal = try await scratch.open(clock)
        _ = try await journal.submit(Samples.submission(1))
        clock.jump(by: jump)
        let first = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        clock.advance(by: .milliseconds(300))
        // A rollback empties the writer's cache of jobs.
        if !keepsMemory { try await Self.rollBack(journal) }
        clock.jump(by: .zero - jump * 2)
        _ = try await journal.finish(first, with: .succeeded(output: nil))
        let second = try #require(try await journal.claim(queue: Samples.gpu, limit: 1).claims.first)
        clock.advance(by: .milliseconds(400))
        _ = try await journal.finish(second, with: .succeeded(output: nil))

        let events = try #require(
            try await journal.events(of: id, of: .anonymous, after: .beforeFirst, limit: 100)
        ).events
        let durations = try events.compactMap {
            try JSONText.decode(JSONValue.self, from: $0.payload)["duration_seconds"]?.double
        }
        #expect(durations == [0.3, 0.4, 0.7])
        for (earlier, later) in zip(events, events.dropFirst()) { #expect(earlier.at <= later.at) }
        let job = try #require(try await journal.job(id, of: .anonymous))
        let (started, finished) = (try #require(job.startedAt), try #require(job.finishedAt))
        #expect(job.createdAt <= started && started <= finished)
        #expect(finished == events.last?.at)
        for stage in job.stages { #expect(try #require(stage.startedAt) <= #require(stage.finishedAt)) }
        try await journal.close()
    }

    @Test("across a restart a duration is never negative")
    func restart() async throws {
        var journal = try await scratch.open(clock)
        _ = try await journal.submit(Samples.submission(1))
        _ = try await journal.claim(queue: Samples.cpu, limit: 1)
        try await journal.close()
        let earlier = ManualClock(clock.now().advanced(by: .seconds(-3600)))
        journal = try await scratch.open(earlier)
        let claim = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        _ = try await journal.finish(claim, with: .succeeded(output: nil))
        let events = try #require(
            try await journal.events(of: id, of: .anonymous, after: .beforeFirst, limit: 100)
        ).events
        #expect(events.last?.payload.contains(#""duration_seconds":0"#) == true)
        for (one, next) in zip(events, events.dropFirst()) { #expect(one.at <= next.at) }
        try await journal.close()
    }

    /// This test failed with ages of the wall clock: the job was pruned at once.
    @Test("prunes no job before its time, and each at its time", arguments: [year, .zero - year])
    func retention(_ jump: Duration) async throws {
        let journal = try await scratch.open(clock)
        let retention = Retention(age: .seconds(3600), maxBytes: nil)
        clock.jump(by: jump)
        try await journal.finishJob(1)
        clock.jump(by: .zero - jump)
        try await journal.finishJob(2)
        #expect(try await journal.prune(retention, at: clock.steady()).jobs == 0)
        clock.advance(by: .seconds(3599))
        #expect(try await journal.prune(retention, at: clock.steady()).jobs == 0)
        clock.advance(by: .seconds(1))
        #expect(try await journal.prune(retention, at: clock.steady()).jobs == 2)
        try await journal.close()
    }

    /// This test failed with due times of the wall clock.
    @Test("does not change when the next attempt begins", arguments: [year, .zero - year])
    func retries(_ jump: Duration) async throws {
        let journal = try await scratch.open(clock)
        _ = try await journal.submit(Samples.submission(1))
        let claim = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        let error = JobError(code: "stage_failed", message: "no", stage: claim.stage.name)
        _ = try await journal.finish(claim, with: .retry(error: error, delay: .seconds(2)))
        clock.jump(by: jump)
        #expect(try await journal.claim(queue: Samples.cpu, limit: 1).claims.isEmpty)
        clock.advance(by: .seconds(2))
        #expect(try await journal.claim(queue: Samples.cpu, limit: 1).claims.count == 1)
        try await journal.close()
    }

    private static func rollBack(_ journal: SQLiteJournal) async throws {
        struct Broken: Error {}
        _ = try? await journal.maintain { _ -> Void in throw Broken() }
    }
}
