import GRDB
import Logging
import LongtakeCore
import LongtakeSQLite
import Synchronization

/// What submits cost while the large database is pruned, beside what they cost without.
struct GrowthPruning {
    let directory: String
    let rounds: Int
    let rows: Int

    private static let time: Duration = .seconds(4)

    func run(_ document: inout ResultDocument) async throws {
        let clock = GrowthClock()
        let journal = try await GrowthDatabase.open(directory, clock)
        document.notes.append(
            "submits beside pruning of \(rows) rows a transaction, \(rounds) rounds of \(Self.time) each way")
        for callers in [1, 64] {
            var (without, with): ([Duration], [Duration]) = ([], [])
            var removed: Int64 = 0
            for round in 1...rounds {
                without += try await submits(journal, clock, callers)
                let pruner = Pruner(
                    journal: journal, retention: Retention(age: .seconds(5 * 86_400), maxBytes: nil),
                    clock: ContinuousClock(), wallClock: clock, rows: rows,
                    logger: Logger(label: "growth") { _ in SwiftLogNoOpLogHandler() })
                let before = try firstJob()
                let pruning = Task { await pruner.run() }
                with += try await submits(journal, clock, callers)
                pruning.cancel()
                await pruning.value
                let gone = try firstJob() - before
                if gone <= 0 { document.blame("\(callers) callers, round \(round): the pruning removed nothing") }
                removed += gone
            }
            let name = "\(callers) caller\(callers > 1 ? "s" : "")"
            document.notes.append(line("\(name), without", without))
            document.notes.append(line("\(name), pruning", with) + "  \(removed) jobs removed")
        }
        try await journal.close()
    }

    private func submits(_ journal: SQLiteJournal, _ clock: GrowthClock, _ callers: Int) async throws -> [Duration] {
        try await withThrowingTaskGroup(of: [Duration].self) { group in
            let begin = ContinuousClock.now
            for _ in 0..<callers {
                group.addTask {
                    var times: [Duration] = []
                    while ContinuousClock.now - begin < Self.time {
                        let start = ContinuousClock.now
                        _ = try await journal.submit(GrowthSample.submission(clock))
                        times.append(ContinuousClock.now - start)
                    }
                    return times
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    /// The copies of the model, whose key is 1, finished in the order of their keys.
    private func firstJob() throws -> Int64 {
        var configuration = Configuration()
        configuration.readonly = true
        let queue = try DatabaseQueue(path: directory + "/longtake.db", configuration: configuration)
        return try queue.read { try Int64.fetchOne($0, sql: "SELECT min(key) FROM job WHERE key > 1") } ?? 0
    }

    private func line(_ name: String, _ times: [Duration]) -> String {
        func cell(_ name: String, _ part: Double) -> String {
            "\(name) \(Int(times.quantile(part) / .microseconds(1))) µs  "
        }
        return "\(name): \(times.count) submits  " + cell("p50", 0.5) + cell("p90", 0.9) + cell("p99", 0.99)
            + cell("most", 1)
    }
}
