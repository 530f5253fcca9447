import Logging
import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeEngine

@Suite("the engine", .timeLimit(.minutes(1)))
struct EngineTests {
    @Test("runs all stages of a job and commits each event once")
    func wholeLine() async throws {
        let fixture = EngineFixture(
            runner: .init { claim, report in
                try await report(StageReport(progress: .complete, message: "done"))
                return .string("\(claim.stage.name)")
            })
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission([Work.stage("a"), Work.stage("b")]))
        await fixture.events.wait(for: job) { $0.last?.isFinal == true }
        #expect(
            fixture.events.types(of: job) == [
                .jobQueued, .jobStarted, .stageStarted, .stageProgress, .stageSucceeded, .stageStarted, .stageProgress,
                .stageSucceeded, .jobSucceeded,
            ])
        #expect(try await fixture.job(job).output == .string("b"))
        await fixture.engine.drain(deadline: .seconds(5))
    }

    @Test("claims stages that were queued before the start, and never runs more than it has workers")
    func workers() async throws {
        let most = Mutex((now: 0, most: 0))
        let (both, gate) = (Signal(), Signal())
        let fixture = EngineFixture(
            workers: 2,
            runner: .init { _, _ in
                let now = most.withLock { most in
                    most = (most.now + 1, max(most.most, most.now + 1))
                    return most.now
                }
                if now >= 2 { both.give() }
                await gate.wait()
                most.withLock { $0.now -= 1 }
                return nil
            })
        var jobs: [JobID] = []
        for _ in 0..<7 { jobs.append(try await fixture.submit(Work.submission())) }
        fixture.engine.start()
        await both.wait()
        gate.give()
        for job in jobs { await fixture.events.wait(for: job) { $0.last?.isFinal == true } }
        #expect(most.withLock { $0.most } == 2)
    }

    @Test(
        "retries a retryable failure after a delay, up to three attempts, and stores a truncated error with its stage"
    )
    func retries() async throws {
        let fixture = EngineFixture(
            runner: .init { _, _ in
                throw StageFailure(message: String(repeating: "x", count: 9_999), isRetryable: true)
            })
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission())
        for (round, seconds) in [2.0, 4.0].enumerated() {
            await fixture.events.wait(for: job) { $0.filter { $0 == .stageRetrying }.count == round + 1 }
            let delay = try #require(fixture.events.delays(of: job).last)
            #expect(abs(delay / seconds - 1) <= 0.2)
            await fixture.clock.sleeper(dueIn: .milliseconds(Int64((delay * 1000).rounded())))
            fixture.wall.advance(by: .milliseconds(Int64((delay * 1000).rounded())))
            fixture.clock.advance(by: .milliseconds(Int64((delay * 1000).rounded())))
        }
        await fixture.events.wait(for: job) { $0.last?.isFinal == true }
        let end = try await fixture.job(job)
        #expect(end.state == .failed)
        #expect(end.stages.first?.attempt == 3)
        #expect(end.error?.message.utf8.count == Limits.errorMessageBytes)
        #expect(end.error?.stage == StageName(unchecked: "frames"))
    }

    @Test("hides the details of an unexpected error from clients")
    func unknownError() async throws {
        struct Secret: Error { let path = "/etc/secret" }
        let fixture = EngineFixture(runner: .init { _, _ in throw Secret() })
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission())
        await fixture.events.wait(for: job) { $0.contains(.stageRetrying) }
        #expect(!fixture.events.text(of: job).contains("secret"))
    }

    @Test("fails an attempt with stage_timed_out when its time limit passes, and retries it")
    func timeLimit() async throws {
        let fixture = EngineFixture(runner: .init { _, _ in try await Self.forever() })
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission([Work.stage(limit: 7)]))
        // A pause of one hour does not count.
        await fixture.clock.sleeper(dueIn: .seconds(1.75))
        fixture.clock.advance(by: .seconds(3600))
        for _ in 1...TimeLimit.parts {
            #expect(!fixture.events.text(of: job).contains("stage_timed_out"))
            await fixture.clock.sleeper(dueIn: .seconds(1.75))
            fixture.clock.advance(by: .seconds(1.75))
        }
        await fixture.events.wait(for: job) { $0.contains(.stageRetrying) }
        #expect(fixture.events.text(of: job).contains(#""code":"stage_timed_out""#))
    }

    @Test("derives the time limit from the speed, with a minimum of one minute")
    func limits() {
        #expect(Work.claim(Work.stage(seconds: 100)).timeLimit(atSpeed: 1) == .seconds(1_000))
        #expect(Work.claim(Work.stage(seconds: 100)).timeLimit(atSpeed: 10) == .seconds(100))
        #expect(
            Work.claim(Work.stage(seconds: 100), simulation: Simulation(speed: 100)).timeLimit(atSpeed: 1)
                == .seconds(60))
        #expect(Work.claim(Work.stage(limit: 5)).timeLimit(atSpeed: 1) == .seconds(5))
    }

    @Test("a cancel request stops the running stage, and the job becomes canceled")
    func cancel() async throws {
        let started = Signal()
        let fixture = EngineFixture(
            runner: .init { _, _ in
                started.give()
                return try await Self.forever()
            })
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission())
        await started.wait()
        _ = try await fixture.journal.cancel(job, of: .anonymous)
        await fixture.events.wait(for: job) { $0.last?.isFinal == true }
        #expect(fixture.events.types(of: job).suffix(2) == [.jobCancelRequested, .jobCanceled])
    }

    /// ```text
    /// engine                               client
    /// claim commits, observers are called
    ///                                      cancel commits, observers are called
    /// claim returns
    /// ```
    @Test("a cancel request between a claim's commit and its attempt prevents the attempt")
    func cancelBeforeRun() async throws {
        let runs = Mutex(0)
        let fixture = EngineFixture(
            runner: .init { _, _ in
                runs.withLock { $0 += 1 }
                return try await Self.forever()
            })
        fixture.flaky.afterClaim = { journal, claims in
            for claim in claims { _ = try await journal.cancel(claim.job, of: .anonymous) }
        }
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission())
        await fixture.events.wait(for: job) { $0.last?.isFinal == true }
        #expect(fixture.events.types(of: job).last == .jobCanceled)
        #expect(runs.withLock { $0 } == 0)
    }

    @Test("a drain interrupts running stages, claims no more, and returns when all results are stored")
    func drain() async throws {
        let started = Signal()
        let fixture = EngineFixture(
            runner: .init { _, _ in
                started.give()
                return try await Self.forever()
            })
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission())
        await started.wait()
        await fixture.engine.drain(deadline: .seconds(5))
        let later = try await fixture.submit(Work.submission())
        #expect(fixture.events.types(of: job).last == .jobInterrupted)
        #expect(fixture.events.types(of: later) == [.jobQueued])
        await fixture.engine.drain(deadline: .seconds(5))
    }

    /// Without the limit this test failed: the next claim got the whole checkpoint.
    @Test("drops a checkpoint that is too large, but keeps the progress of its report", arguments: [false, true])
    func checkpointLimit(_ isTooLarge: Bool) async throws {
        let started = Signal()
        let data = JSONValue.string(String(repeating: "x", count: isTooLarge ? Limits.checkpointBytes : 100))
        let fixture = EngineFixture(
            runner: .init { _, report in
                try await report(StageReport(progress: Progress(0.5), message: "half", checkpoint: data))
                started.give()
                return try await Self.forever()
            })
        fixture.engine.start()
        _ = try await fixture.submit(Work.submission())
        await started.wait()
        await fixture.engine.drain(deadline: .seconds(5))
        let next = try #require(try await fixture.journal.claim(queue: Work.cpu, limit: 1).claims.first)
        #expect(next.checkpoint == Checkpoint(progress: Progress(0.5), data: isTooLarge ? nil : data))
    }

    @Test("a stage that succeeds during a drain keeps its success")
    func successInDrain() async throws {
        let started = Signal()
        let fixture = EngineFixture(
            runner: .init { _, _ in
                started.give()
                _ = try? await Self.forever()
                return .integer(1)
            })
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission())
        await started.wait()
        await fixture.engine.drain(deadline: .seconds(5))
        #expect(fixture.events.types(of: job).last == .jobSucceeded)
    }

    @Test("a drain returns at its deadline even if a stage ignores its cancellation")
    func deadline() async throws {
        let (started, gate) = (Signal(), Signal())
        let fixture = EngineFixture(
            runner: .init { _, _ in
                started.give()
                await gate.wait()
                return nil
            })
        fixture.engine.start()
        _ = try await fixture.submit(Work.submission())
        await started.wait()
        async let drained: Void = fixture.engine.drain(deadline: .seconds(5))
        await fixture.clock.sleeper(dueIn: .seconds(5))
        fixture.clock.advance(by: .seconds(5))
        await drained
        gate.give()
    }

    /// ```text
    /// engine                               runner
    ///                                      begins, and ignores its cancellation
    /// cancel request: stop requested
    /// 10 s later: abandoned, the job ends
    /// the worker claims the next job       begins the second job
    ///                                      the first run reports and succeeds: nothing changes
    /// ```
    /// When the worker waited for the runner, this test failed: the second job never began.
    @Test(
        "abandons a runner that ignores its cancellation after the grace period, and rejects its late reports")
    func abandoned() async throws {
        let (started, gate, over) = (Signal(), Signal(), Signal())
        let refused = Mutex(false)
        let runs = Mutex(0)
        let fixture = EngineFixture(
            workers: 1,
            runner: .init { _, report in
                let run = runs.withLock { runs in
                    runs += 1
                    return runs
                }
                guard run == 1 else { return .integer(2) }
                defer { over.give() }
                started.give()
                await gate.wait()
                do {
                    try await report(StageReport(progress: Progress(0.5), message: "late"))
                } catch {
                    refused.withLock { $0 = true }
                }
                return .integer(1)
            })
        fixture.engine.start()
        let first = try await fixture.submit(Work.submission())
        let second = try await fixture.submit(Work.submission())
        await started.wait()
        _ = try await fixture.journal.cancel(first, of: .anonymous)
        for _ in 1...TimeLimit.parts {
            #expect(fixture.events.types(of: first).last == .jobCancelRequested)
            await fixture.clock.sleeper(dueIn: EngineLimits.runnerStopGrace / TimeLimit.parts)
            fixture.clock.advance(by: EngineLimits.runnerStopGrace / TimeLimit.parts)
        }
        await fixture.events.wait(for: second) { $0.last?.isFinal == true }
        #expect(fixture.events.types(of: first).last == .jobCanceled)
        #expect(fixture.engine.abandonedAttempts == 1)
        let before = fixture.events.types(of: first)
        gate.give()
        await over.wait()
        #expect(refused.withLock { $0 }, "the late report is rejected")
        #expect(fixture.events.types(of: first) == before)
        #expect(try await fixture.job(second).output == .integer(2))
        await fixture.engine.drain(deadline: .seconds(5))
    }

    @Test("fails with stage_timed_out when a runner ignores both its time limit and its cancellation, and retries")
    func abandonedByLimit() async throws {
        let gate = Signal()
        let runs = Mutex(0)
        let fixture = EngineFixture(
            workers: 1,
            runner: .init { _, _ in
                let run = runs.withLock { runs in
                    runs += 1
                    return runs
                }
                if run == 1 { await gate.wait() }
                return .integer(Int64(run))
            })
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission([Work.stage(limit: 8)]))
        for part in [2.0, 2, 2, 2, 2.5, 2.5, 2.5, 2.5] {
            await fixture.clock.sleeper(dueIn: .seconds(part))
            fixture.clock.advance(by: .seconds(part))
        }
        await fixture.events.wait(for: job) { $0.contains(.stageRetrying) }
        #expect(fixture.events.text(of: job).contains(#""code":"stage_timed_out""#))
        let delay = Duration.milliseconds(
            Int64((try #require(fixture.events.delays(of: job).last) * 1000).rounded()))
        await fixture.clock.sleeper(dueIn: delay)
        fixture.wall.advance(by: delay)
        fixture.clock.advance(by: delay)
        await fixture.events.wait(for: job) { $0.last?.isFinal == true }
        #expect(try await fixture.job(job).output == .integer(2))
        gate.give()
        await fixture.engine.drain(deadline: .seconds(5))
    }

    @Test("a jump of the wall clock neither advances nor delays a retry")
    func clockJump() async throws {
        let fixture = EngineFixture(runner: .init { _, _ in throw StageFailure(message: "no", isRetryable: true) })
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission())
        for round in 1...2 {
            await fixture.events.wait(for: job) { $0.filter { $0 == .stageRetrying }.count == round }
            fixture.wall.jump(by: .seconds(round == 1 ? 3600 : -7200))
            let delay = Duration.milliseconds(
                Int64((try #require(fixture.events.delays(of: job).last) * 1000).rounded()))
            await fixture.clock.sleeper(dueIn: delay)
            fixture.wall.advance(by: delay)
            fixture.clock.advance(by: delay)
        }
        await fixture.events.wait(for: job) { $0.last?.isFinal == true }
        #expect(try await fixture.job(job).state == .failed)
        await fixture.engine.drain(deadline: .seconds(5))
    }

    @Test("retries claims and results while the journal cannot store anything")
    func persistence() async throws {
        let fixture = EngineFixture(runner: .init { _, _ in nil })
        fixture.flaky.fail(claims: 1, finishes: 2)
        fixture.engine.start()
        await fixture.clock.sleeper(dueIn: .milliseconds(100))
        let job = try await fixture.submit(Work.submission())
        fixture.clock.advance(by: .milliseconds(100))
        await fixture.clock.sleeper(dueIn: .milliseconds(100))
        fixture.clock.advance(by: .milliseconds(100))
        await fixture.clock.sleeper(dueIn: .milliseconds(200))
        fixture.clock.advance(by: .milliseconds(200))
        await fixture.events.wait(for: job) { $0.last?.isFinal == true }
        #expect(fixture.events.types(of: job).last == .jobSucceeded)
    }

    @Test("a worker that lost its claim stops and stores nothing")
    func lostClaim() async throws {
        let fixture = Mutex<EngineFixture?>(nil)
        let over = Signal()
        let made = EngineFixture(
            runner: .init { claim, report in
                // Another caller ends the claim during the attempt.
                _ = try await fixture.withLock { $0 }?.journal.finish(claim, with: .interrupted(.shutdown))
                defer { over.give() }
                try await report(StageReport(progress: Progress(0.5), message: ""))
                return nil
            }, claims: 1)
        fixture.withLock { $0 = made }
        made.engine.start()
        let job = try await made.submit(Work.submission())
        await over.wait()
        await made.engine.drain(deadline: .seconds(5))
        #expect(made.events.types(of: job) == [.jobQueued, .jobStarted, .stageStarted, .jobInterrupted])
    }

    /// Sleeps until it is cancelled.
    private static func forever() async throws -> JSONValue? {
        let (never, _) = AsyncStream<Never>.makeStream()
        for await _ in never {}
        throw CancellationError()
    }
}
