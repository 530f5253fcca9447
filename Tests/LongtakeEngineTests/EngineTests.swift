import Logging
import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeEngine

@Suite("The engine", .timeLimit(.minutes(1)))
struct EngineTests {
    @Test("a job goes through its stages to its end, each event once")
    func wholeLine() async throws {
        let bench = Bench(
            runner: .init { claim, report in
                try await report(StageReport(progress: .complete, message: "done"))
                return .string("\(claim.stage.name)")
            })
        bench.engine.start()
        let job = try await bench.submit(Work.submission([Work.stage("a"), Work.stage("b")]))
        await bench.log.wait(for: job) { $0.last?.isFinal == true }
        #expect(
            bench.log.types(of: job) == [
                .jobQueued, .jobStarted, .stageStarted, .stageProgress, .stageSucceeded, .stageStarted, .stageProgress,
                .stageSucceeded, .jobSucceeded,
            ])
        #expect(try await bench.job(job).output == .string("b"))
        await bench.engine.drain(deadline: .seconds(5))
    }

    @Test("what waited before the start is claimed, and no more at once than there are workers")
    func workers() async throws {
        let most = Mutex((now: 0, most: 0))
        let (both, gate) = (Signal(), Signal())
        let bench = Bench(
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
        for _ in 0..<7 { jobs.append(try await bench.submit(Work.submission())) }
        bench.engine.start()
        await both.wait()
        gate.give()
        for job in jobs { await bench.log.wait(for: job) { $0.last?.isFinal == true } }
        #expect(most.withLock { $0.most } == 2)
    }

    @Test(
        "a retryable failure is tried again after its delay, at most three times; the error is cut and carries its stage"
    )
    func retries() async throws {
        let bench = Bench(
            runner: .init { _, _ in
                throw StageFailure(message: String(repeating: "x", count: 9_999), isRetryable: true)
            })
        bench.engine.start()
        let job = try await bench.submit(Work.submission())
        for (round, seconds) in [2.0, 4.0].enumerated() {
            await bench.log.wait(for: job) { $0.filter { $0 == .stageRetrying }.count == round + 1 }
            let delay = try #require(bench.log.delays(of: job).last)
            #expect(abs(delay / seconds - 1) <= 0.2)
            await bench.clock.sleeper(dueIn: .milliseconds(Int64((delay * 1000).rounded())))
            bench.wall.advance(by: .milliseconds(Int64((delay * 1000).rounded())))
            bench.clock.advance(by: .milliseconds(Int64((delay * 1000).rounded())))
        }
        await bench.log.wait(for: job) { $0.last?.isFinal == true }
        let end = try await bench.job(job)
        #expect(end.state == .failed)
        #expect(end.stages.first?.attempt == 3)
        #expect(end.error?.message.utf8.count == Limits.errorMessageBytes)
        #expect(end.error?.stage == StageName(unchecked: "frames"))
    }

    @Test("an error of no known kind shows none of its details")
    func unknownError() async throws {
        struct Secret: Error { let path = "/etc/secret" }
        let bench = Bench(runner: .init { _, _ in throw Secret() })
        bench.engine.start()
        let job = try await bench.submit(Work.submission())
        await bench.log.wait(for: job) { $0.contains(.stageRetrying) }
        #expect(!bench.log.text(of: job).contains("secret"))
    }

    @Test("an attempt that passes its time limit fails as timed out, and may be retried")
    func timeLimit() async throws {
        let bench = Bench(runner: .init { _, _ in try await Self.forever() })
        bench.engine.start()
        let job = try await bench.submit(Work.submission([Work.stage(limit: 7)]))
        // The pause of an hour is not the work's fault.
        await bench.clock.sleeper(dueIn: .seconds(1.75))
        bench.clock.advance(by: .seconds(3600))
        for _ in 1...TimeLimit.parts {
            #expect(!bench.log.text(of: job).contains("stage_timed_out"))
            await bench.clock.sleeper(dueIn: .seconds(1.75))
            bench.clock.advance(by: .seconds(1.75))
        }
        await bench.log.wait(for: job) { $0.contains(.stageRetrying) }
        #expect(bench.log.text(of: job).contains(#""code":"stage_timed_out""#))
    }

    @Test("the limit follows the speed in force, and is at least a minute")
    func limits() {
        #expect(Work.claim(Work.stage(seconds: 100)).timeLimit(atSpeed: 1) == .seconds(1_000))
        #expect(Work.claim(Work.stage(seconds: 100)).timeLimit(atSpeed: 10) == .seconds(100))
        #expect(
            Work.claim(Work.stage(seconds: 100), simulation: Simulation(speed: 100)).timeLimit(atSpeed: 1)
                == .seconds(60))
        #expect(Work.claim(Work.stage(limit: 5)).timeLimit(atSpeed: 1) == .seconds(5))
    }

    @Test("a cancel stops the running stage, and the job ends as canceled")
    func cancel() async throws {
        let started = Signal()
        let bench = Bench(
            runner: .init { _, _ in
                started.give()
                return try await Self.forever()
            })
        bench.engine.start()
        let job = try await bench.submit(Work.submission())
        await started.wait()
        _ = try await bench.journal.cancel(job, of: .anonymous)
        await bench.log.wait(for: job) { $0.last?.isFinal == true }
        #expect(bench.log.types(of: job).suffix(2) == [.jobCancelRequested, .jobCanceled])
    }

    /// ```text
    /// engine                               somebody
    /// claim commits, observers are told
    ///                                      cancel commits, observers are told
    /// claim returns
    /// ```
    @Test("a cancel between a claim's commit and its run is not lost, and the run never begins")
    func cancelBeforeRun() async throws {
        let runs = Mutex(0)
        let bench = Bench(
            runner: .init { _, _ in
                runs.withLock { $0 += 1 }
                return try await Self.forever()
            })
        bench.flaky.afterClaim = { journal, claims in
            for claim in claims { _ = try await journal.cancel(claim.job, of: .anonymous) }
        }
        bench.engine.start()
        let job = try await bench.submit(Work.submission())
        await bench.log.wait(for: job) { $0.last?.isFinal == true }
        #expect(bench.log.types(of: job).last == .jobCanceled)
        #expect(runs.withLock { $0 } == 0)
    }

    @Test("a drain interrupts what runs, claims nothing more, and returns when all is written")
    func drain() async throws {
        let started = Signal()
        let bench = Bench(
            runner: .init { _, _ in
                started.give()
                return try await Self.forever()
            })
        bench.engine.start()
        let job = try await bench.submit(Work.submission())
        await started.wait()
        await bench.engine.drain(deadline: .seconds(5))
        let later = try await bench.submit(Work.submission())
        #expect(bench.log.types(of: job).last == .jobInterrupted)
        #expect(bench.log.types(of: later) == [.jobQueued])
        await bench.engine.drain(deadline: .seconds(5))
    }

    /// Seen to fail without the limit: the next claim got all of it.
    @Test("a checkpoint beyond its limit is not kept, and its report is", arguments: [false, true])
    func checkpointLimit(_ isTooLarge: Bool) async throws {
        let started = Signal()
        let data = JSONValue.string(String(repeating: "x", count: isTooLarge ? Limits.checkpointBytes : 100))
        let bench = Bench(
            runner: .init { _, report in
                try await report(StageReport(progress: Progress(0.5), message: "half", checkpoint: data))
                started.give()
                return try await Self.forever()
            })
        bench.engine.start()
        _ = try await bench.submit(Work.submission())
        await started.wait()
        await bench.engine.drain(deadline: .seconds(5))
        let next = try #require(try await bench.journal.claim(queue: Work.cpu, limit: 1).claims.first)
        #expect(next.checkpoint == Checkpoint(progress: Progress(0.5), data: isTooLarge ? nil : data))
    }

    @Test("a stage that succeeds in spite of a drain keeps its success")
    func successInDrain() async throws {
        let started = Signal()
        let bench = Bench(
            runner: .init { _, _ in
                started.give()
                _ = try? await Self.forever()
                return .integer(1)
            })
        bench.engine.start()
        let job = try await bench.submit(Work.submission())
        await started.wait()
        await bench.engine.drain(deadline: .seconds(5))
        #expect(bench.log.types(of: job).last == .jobSucceeded)
    }

    @Test("a drain gives up at its deadline on a stage that does not listen")
    func deadline() async throws {
        let (started, gate) = (Signal(), Signal())
        let bench = Bench(
            runner: .init { _, _ in
                started.give()
                await gate.wait()
                return nil
            })
        bench.engine.start()
        _ = try await bench.submit(Work.submission())
        await started.wait()
        async let drained: Void = bench.engine.drain(deadline: .seconds(5))
        await bench.clock.sleeper(dueIn: .seconds(5))
        bench.clock.advance(by: .seconds(5))
        await drained
        gate.give()
    }

    /// ```text
    /// engine                               runner
    ///                                      begins, and ignores its cancellation
    /// cancel mark: told to stop
    /// 10 s later: abandoned, the job ends
    /// the worker claims the next job       begins
    ///                                      the first reports and succeeds: nothing changes
    /// ```
    /// Seen to fail where the worker waited for the runner: the second job never began.
    @Test(
        "a runner that ignores its cancellation loses its attempt after the grace, and its late reports change nothing")
    func abandoned() async throws {
        let (started, gate, over) = (Signal(), Signal(), Signal())
        let refused = Mutex(false)
        let runs = Mutex(0)
        let bench = Bench(
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
        bench.engine.start()
        let first = try await bench.submit(Work.submission())
        let second = try await bench.submit(Work.submission())
        await started.wait()
        _ = try await bench.journal.cancel(first, of: .anonymous)
        for _ in 1...TimeLimit.parts {
            #expect(bench.log.types(of: first).last == .jobCancelRequested)
            await bench.clock.sleeper(dueIn: Limits.runnerStopGrace / TimeLimit.parts)
            bench.clock.advance(by: Limits.runnerStopGrace / TimeLimit.parts)
        }
        await bench.log.wait(for: second) { $0.last?.isFinal == true }
        #expect(bench.log.types(of: first).last == .jobCanceled)
        #expect(bench.engine.abandonedAttempts == 1)
        let before = bench.log.types(of: first)
        gate.give()
        await over.wait()
        #expect(refused.withLock { $0 }, "it is told that nobody listens")
        #expect(bench.log.types(of: first) == before)
        #expect(try await bench.job(second).output == .integer(2))
        await bench.engine.drain(deadline: .seconds(5))
    }

    @Test("an attempt that passes its time limit and does not stop fails as timed out, and is tried again")
    func abandonedByLimit() async throws {
        let gate = Signal()
        let runs = Mutex(0)
        let bench = Bench(
            workers: 1,
            runner: .init { _, _ in
                let run = runs.withLock { runs in
                    runs += 1
                    return runs
                }
                if run == 1 { await gate.wait() }
                return .integer(Int64(run))
            })
        bench.engine.start()
        let job = try await bench.submit(Work.submission([Work.stage(limit: 8)]))
        for part in [2.0, 2, 2, 2, 2.5, 2.5, 2.5, 2.5] {
            await bench.clock.sleeper(dueIn: .seconds(part))
            bench.clock.advance(by: .seconds(part))
        }
        await bench.log.wait(for: job) { $0.contains(.stageRetrying) }
        #expect(bench.log.text(of: job).contains(#""code":"stage_timed_out""#))
        let delay = Duration.milliseconds(
            Int64((try #require(bench.log.delays(of: job).last) * 1000).rounded()))
        await bench.clock.sleeper(dueIn: delay)
        bench.wall.advance(by: delay)
        bench.clock.advance(by: delay)
        await bench.log.wait(for: job) { $0.last?.isFinal == true }
        #expect(try await bench.job(job).output == .integer(2))
        gate.give()
        await bench.engine.drain(deadline: .seconds(5))
    }

    @Test("a correction of the wall clock neither brings an attempt forward nor holds it up")
    func clockJump() async throws {
        let bench = Bench(runner: .init { _, _ in throw StageFailure(message: "no", isRetryable: true) })
        bench.engine.start()
        let job = try await bench.submit(Work.submission())
        for round in 1...2 {
            await bench.log.wait(for: job) { $0.filter { $0 == .stageRetrying }.count == round }
            bench.wall.jump(by: .seconds(round == 1 ? 3600 : -7200))
            let delay = Duration.milliseconds(
                Int64((try #require(bench.log.delays(of: job).last) * 1000).rounded()))
            await bench.clock.sleeper(dueIn: delay)
            bench.wall.advance(by: delay)
            bench.clock.advance(by: delay)
        }
        await bench.log.wait(for: job) { $0.last?.isFinal == true }
        #expect(try await bench.job(job).state == .failed)
        await bench.engine.drain(deadline: .seconds(5))
    }

    @Test("claims and ends are tried again while the journal cannot persist")
    func persistence() async throws {
        let bench = Bench(runner: .init { _, _ in nil })
        bench.flaky.fail(claims: 1, finishes: 2)
        bench.engine.start()
        await bench.clock.sleeper(dueIn: .milliseconds(100))
        let job = try await bench.submit(Work.submission())
        bench.clock.advance(by: .milliseconds(100))
        await bench.clock.sleeper(dueIn: .milliseconds(100))
        bench.clock.advance(by: .milliseconds(100))
        await bench.clock.sleeper(dueIn: .milliseconds(200))
        bench.clock.advance(by: .milliseconds(200))
        await bench.log.wait(for: job) { $0.last?.isFinal == true }
        #expect(bench.log.types(of: job).last == .jobSucceeded)
    }

    @Test("a worker that has lost its claim stops and writes nothing")
    func lostClaim() async throws {
        let bench = Mutex<Bench?>(nil)
        let over = Signal()
        let made = Bench(
            runner: .init { claim, report in
                // Somebody else ends the claim behind the worker's back.
                _ = try await bench.withLock { $0 }?.journal.finish(claim, with: .interrupted(.shutdown))
                defer { over.give() }
                try await report(StageReport(progress: Progress(0.5), message: ""))
                return nil
            }, claims: 1)
        bench.withLock { $0 = made }
        made.engine.start()
        let job = try await made.submit(Work.submission())
        await over.wait()
        await made.engine.drain(deadline: .seconds(5))
        #expect(made.log.types(of: job) == [.jobQueued, .jobStarted, .stageStarted, .jobInterrupted])
    }

    /// Sleeps until it is cancelled.
    private static func forever() async throws -> JSONValue? {
        let (never, _) = AsyncStream<Never>.makeStream()
        for await _ in never {}
        throw CancellationError()
    }
}
