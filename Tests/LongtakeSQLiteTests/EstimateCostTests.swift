import GRDB
import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeSQLite

@Suite("the statements that estimates cost the writer")
struct EstimateCostTests {
    private static let tables = ["stage_history", "queue_history", "estimate_accuracy"]
    private static let commands = [
        "submit", "claim", "report", "report half way", "end a stage", "claim again", "end the job",
    ]

    @Test("a submission, a claim and a report execute none, the end of a stage two, and the end of a job five")
    func statements() async throws {
        let with = try await Self.run(workers: [Samples.cpu: 1, Samples.gpu: 1])
        let without = try await Self.run(workers: nil)
        let counts = with.map { statements in statements.count { Self.isEstimate($0) } }
        #expect(counts == [0, 0, 0, 0, 2, 0, 5])
        for (command, (with, without)) in zip(Self.commands, zip(with, without)) {
            #expect(!without.isEmpty && with.filter { !Self.isEstimate($0) } == without, "\(command)")
        }
    }

    private static func isEstimate(_ statement: String) -> Bool { tables.contains { statement.contains($0) } }

    /// Runs eleven jobs, so that the next one has predictions, and then each command once.
    /// - Returns: the statements of each command.
    private static func run(workers: [QueueName: Int]?) async throws -> [[String]] {
        let (scratch, clock, log) = (ScratchDirectory(), ManualClock(), StatementLog())
        let journal = try await scratch.open(clock, workers: workers)
        for number in 1...11 {
            _ = try await journal.submit(Samples.submission(number))
            for queue in [Samples.cpu, Samples.gpu] {
                let claim = try #require(try await journal.claim(queue: queue, limit: 1).claims.first)
                clock.advance(by: .seconds(20))
                _ = try await journal.finish(claim, with: .succeeded(output: nil))
            }
        }
        try journal.inspectWriter { db in
            db.trace { if case .statement(let statement) = $0 { log.add(statement.sql) } }
        }
        var statements: [[String]] = []
        _ = try await journal.submit(Samples.submission(12))
        statements.append(log.take())
        var claim = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        statements.append(log.take())
        clock.advance(by: .seconds(10))
        for progress in [0.1, 0.99] {
            let report = StageReport(progress: Progress(progress), message: "\(progress)")
            #expect(try await journal.report(report, for: claim) == .goOn)
            statements.append(log.take())
        }
        clock.advance(by: .seconds(10))
        _ = try await journal.finish(claim, with: .succeeded(output: nil))
        statements.append(log.take())
        claim = try #require(try await journal.claim(queue: Samples.gpu, limit: 1).claims.first)
        statements.append(log.take())
        clock.advance(by: .seconds(20))
        _ = try await journal.finish(claim, with: .succeeded(output: nil))
        statements.append(log.take())
        try await journal.close()
        return statements
    }

    private final class StatementLog: Sendable {
        private let statements = Mutex<[String]>([])

        func add(_ statement: String) { statements.withLock { $0.append(statement) } }

        func take() -> [String] {
            statements.withLock { statements in
                defer { statements.removeAll() }
                return statements
            }
        }
    }
}
