import Logging
import LongtakeCore
import LongtakeSQLite
import Synchronization

/// Submits jobs to a journal in this process. Each caller waits for its result before it submits
/// the next job.
struct JournalSubmissionLoad {
    let callers: Int
    /// Observes the commits.
    var commits = CommitSize()

    /// - Returns: submissions per second.
    func rate(in directory: String, for time: Duration) async throws -> Double {
        let journal = try await SQLiteJournal.openForBenchmark(directory)
        commits.observe(journal)
        let rate = try await measureRate(time, callers: callers) { _, number in
            _ = try await journal.submit(SampleJob.submission(number))
        }
        try await journal.close()
        return rate
    }
}

/// Reports the progress of running stages to a journal in this process. Each stage waits for its
/// result before it reports again.
struct JournalReportLoad {
    let stages: Int
    /// The number of clients that list jobs meanwhile.
    var listers = 0

    /// - Returns: reports per second.
    func rate(in directory: String, for time: Duration) async throws -> Double {
        let journal = try await SQLiteJournal.openForBenchmark(directory)
        let claims = try await startStages(journal)
        let rate = try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<listers {
                group.addTask { try await listJobs(journal) }
            }
            let rate = try await measureRate(time, callers: stages) { caller, number in
                let report = StageReport(
                    progress: Progress(Double(number % 9_000) / 10_000), message: "frame 101 of 192")
                _ = try await journal.report(report, for: claims[caller])
            }
            group.cancelAll()
            // Throws if a list failed, because then the load was too low.
            try await group.waitForAll()
            return rate
        }
        try await journal.close()
        return rate
    }

    private func startStages(_ journal: SQLiteJournal) async throws -> [Claim] {
        let callers = min(stages, 500)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<callers {
                group.addTask {
                    for number in stride(from: caller, to: stages, by: callers) {
                        _ = try await journal.submit(SampleJob.submission(number))
                    }
                }
            }
            try await group.waitForAll()
        }
        var claims: [Claim] = []
        while claims.count < stages {
            let limit = stages - claims.count
            claims += try await journal.claim(queue: SampleJob.queue, limit: limit, for: journal.holder).claims
        }
        return claims
    }

    /// Lists the newest jobs repeatedly until it is cancelled.
    private func listJobs(_ journal: SQLiteJournal) async throws {
        while !Task.isCancelled {
            do {
                guard try await !journal.jobs(JobQuery(limit: 50)).jobs.isEmpty else {
                    throw BenchFailure("the list of jobs is empty")
                }
            } catch  where Task.isCancelled {
                return
            }
        }
    }
}

/// The average number of events in a commit of a journal. The other side of a comparison uses the
/// same number.
final class CommitSize: Sendable {
    private let total = Mutex((events: 0, commits: 0))

    var average: Int { total.withLock { max(1, Int((Double($0.events) / Double(max(1, $0.commits))).rounded())) } }

    func observe(_ journal: some Journal) {
        journal.tail { notice in
            guard case .events(let events) = notice.news else { return }
            self.total.withLock { $0 = ($0.events + events.count, $0.commits + 1) }
        }
    }
}

/// The job that the load submits: eight stages of simulated work.
enum SampleJob {
    static let queue = QueueName(unchecked: "gpu")

    static func submission(_ number: Int) -> Submission {
        var generator = SystemRandomNumberGenerator()
        return Submission(
            id: JobID(at: Timestamp(millisecondsSince1970: 1_795_000_000_000), using: &generator), pipeline: pipeline,
            input: .object(["prompt": .string("a paper boat in the rain, number \(number)")]))
    }

    /// The event of a report of the first stage.
    static func progress(_ share: Double) -> JobEvent {
        let number = StageNumber(stage: pipeline.stages[0].name, index: 1, of: pipeline.stages.count)
        return JobEvent(
            progress: Progress(share / 8),
            change: .stageProgress(number, progress: Progress(share), message: "frame 101 of 192"))
    }

    static let pipeline = Pipeline(
        name: PipelineName(unchecked: "bench"),
        stages: (1...8).map { index in
            Stage(
                name: StageName(unchecked: "stage-\(index)"), queue: queue, expectedSeconds: 10, timeLimitSeconds: nil,
                work: .simulated(SimulatedWork(steps: 10, message: "{step} of {steps}", lengthSeconds: 10, output: nil))
            )
        })
}

/// A wall clock that starts at a fixed time.
struct BenchClock: WallClock {
    private let begin = ContinuousClock.now

    func steady() -> Timestamp { now() }

    func now() -> Timestamp {
        Timestamp(millisecondsSince1970: 1_795_000_000_000).advanced(by: ContinuousClock.now - begin)
    }
}

extension SQLiteJournal {
    /// Opens a journal that writes no log lines and has no limit of queued jobs. The process traps
    /// if the disk fails.
    static func openForBenchmark(_ directory: String, clock: BenchClock = BenchClock()) async throws -> SQLiteJournal {
        try await SQLiteJournal.open(
            directory: directory, clock: clock,
            logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() },
            configuration: SQLiteConfiguration(queuedJobsPerTenant: .max)
        ) { reason in preconditionFailure("the disk failed: \(reason)") }
    }
}

/// - Returns: how many calls per second all `callers` together make.
private func measureRate(
    _ time: Duration, callers: Int, _ call: @escaping @Sendable (_ caller: Int, _ number: Int) async throws -> Void
) async throws -> Double {
    let counter = CallCounter()
    let begin = ContinuousClock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in 0..<callers {
            group.addTask {
                while ContinuousClock.now - begin < time {
                    try await call(caller, counter.next())
                }
            }
        }
        try await group.waitForAll()
    }
    return Double(counter.total) / ((ContinuousClock.now - begin) / .seconds(1))
}

/// Numbers the calls of all callers.
private final class CallCounter: Sendable {
    private let count = Atomic(0)

    var total: Int { count.load(ordering: .relaxed) }

    func next() -> Int { count.wrappingAdd(1, ordering: .relaxed).oldValue }
}
