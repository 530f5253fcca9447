import Logging
import LongtakeCore
import LongtakeSQLite
import Synchronization

/// Submits jobs from a number of callers, each waiting for its answer before it goes on.
struct SubmitLoad {
    let callers: Int
    /// Is told how many events the commits held.
    var commits = CommitSize()

    func rate(in directory: String, for time: Duration) async throws -> Double {
        let journal = try await openJournal(directory)
        commits.follow(journal)
        let rate = try await measure(time, callers: callers) { _, number in
            _ = try await journal.submit(Samples.submission(number))
        }
        try await journal.close()
        return rate
    }
}

/// Reports from a number of running stages, each with one report under way.
struct ReportLoad {
    let stages: Int
    /// How many clients list jobs all the while.
    var readers = 0

    func rate(in directory: String, for time: Duration) async throws -> Double {
        let journal = try await openJournal(directory)
        let callers = min(stages, 500)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<callers {
                group.addTask {
                    for number in stride(from: caller, to: stages, by: callers) {
                        _ = try await journal.submit(Samples.submission(number))
                    }
                }
            }
            try await group.waitForAll()
        }
        var claims: [Claim] = []
        while claims.count < stages {
            claims += try await journal.claim(queue: Samples.queue, limit: stages - claims.count, for: journal.holder)
                .claims
        }
        let rate = try await withThrowingTaskGroup(of: Void.self) { [claims] group in
            for _ in 0..<readers {
                group.addTask { try await list(journal) }
            }
            let rate = try await measure(time, callers: stages) { caller, number in
                let report = StageReport(
                    progress: Progress(Double(number % 9_000) / 10_000), message: "frame 101 of 192")
                _ = try await journal.report(report, for: claims[caller])
            }
            group.cancelAll()
            // A reader that failed has measured nothing.
            try await group.waitForAll()
            return rate
        }
        try await journal.close()
        return rate
    }

    /// Lists the newest jobs again and again, until it is cancelled.
    private func list(_ journal: SQLiteJournal) async throws {
        while !Task.isCancelled {
            do {
                guard try await !journal.jobs(JobQuery(limit: 50)).jobs.isEmpty else {
                    throw BenchFailure("a list of jobs came out empty")
                }
            } catch  where Task.isCancelled {
                return
            }
        }
    }
}

/// How many events a commit of a journal holds on average: so that the other side of a comparison can do alike.
final class CommitSize: Sendable {
    private let seen = Mutex((events: 0, commits: 0))

    var average: Int { seen.withLock { max(1, Int((Double($0.events) / Double(max(1, $0.commits))).rounded())) } }

    func follow(_ journal: some Journal) {
        journal.tail { notice in
            guard case .events(let events) = notice.news else { return }
            self.seen.withLock { $0 = ($0.events + events.count, $0.commits + 1) }
        }
    }
}

func openJournal(_ directory: String) async throws -> SQLiteJournal {
    try await SQLiteJournal.open(
        directory: directory, clock: MonotonicWallClock(),
        logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() },
        configuration: SQLiteConfiguration(queuedJobsPerTenant: .max)
    ) { reason in preconditionFailure("the disk failed: \(reason)") }
}

/// How many calls a second `callers` make together.
private func measure(
    _ time: Duration, callers: Int, _ call: @escaping @Sendable (_ caller: Int, _ number: Int) async throws -> Void
) async throws -> Double {
    let tally = Tally()
    let begin = ContinuousClock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in 0..<callers {
            group.addTask {
                while ContinuousClock.now - begin < time {
                    try await call(caller, tally.next())
                }
            }
        }
        try await group.waitForAll()
    }
    return Double(tally.total) / ((ContinuousClock.now - begin) / .seconds(1))
}

/// Numbers the calls of all callers.
private final class Tally: Sendable {
    private let count = Atomic(0)

    var total: Int { count.load(ordering: .relaxed) }

    func next() -> Int { count.wrappingAdd(1, ordering: .relaxed).oldValue }
}

/// A clock that only has to go on.
private struct MonotonicWallClock: WallClock {
    private let begin = ContinuousClock.now

    func steady() -> Timestamp { now() }

    func now() -> Timestamp {
        Timestamp(millisecondsSince1970: 1_795_000_000_000).advanced(by: ContinuousClock.now - begin)
    }
}

/// The jobs that are submitted.
enum Samples {
    static let queue = QueueName(unchecked: "gpu")

    static func submission(_ number: Int) -> Submission {
        var generator = SystemRandomNumberGenerator()
        return Submission(
            id: JobID(at: Timestamp(millisecondsSince1970: 1_795_000_000_000), using: &generator), pipeline: pipeline,
            input: .object(["prompt": .string("a paper boat in the rain, number \(number)")]))
    }

    /// A report of the first stage, as the log tells it.
    static func progress(_ share: Double) -> JobEvent {
        let place = StagePlace(stage: pipeline.stages[0].name, index: 1, of: pipeline.stages.count)
        return JobEvent(
            progress: Progress(share / 8),
            change: .stageProgress(place, progress: Progress(share), message: "frame 101 of 192"))
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
