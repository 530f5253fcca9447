import FoundationEssentials

/// Two ways to do the same work, measured in turn.
struct Comparison {
    /// Does work in a fresh directory for a time, and returns how many pieces a second it did.
    typealias Side = (_ directory: String, _ time: Duration) async throws -> Double

    let name: String
    let left: Side
    let right: Side

    struct Result {
        /// Medians.
        let left: Double
        let right: Double
        let ratio: Double
        let least: Double
        let most: Double
    }

    func run(rounds: Int, seconds: Double, directory: String) async throws -> Result {
        var pairs: [(left: Double, right: Double)] = []
        for _ in 0..<rounds {
            pairs.append(
                (try await measure(left, seconds, directory), try await measure(right, seconds, directory)))
        }
        let ratios = pairs.map { $0.left / $0.right }.sorted()
        return Result(
            left: pairs.map(\.left).sorted()[rounds / 2], right: pairs.map(\.right).sorted()[rounds / 2],
            ratio: ratios[rounds / 2], least: ratios[0], most: ratios[rounds - 1])
    }

    private func measure(_ side: Side, _ seconds: Double, _ parent: String) async throws -> Double {
        let directory = parent + "/longtake-bench-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        return try await side(directory, .seconds(seconds))
    }
}
