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
