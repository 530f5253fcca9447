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
        var pairs = Rounds()
        for _ in 0..<rounds {
            pairs.add(
                ours: try await measure(left, seconds, directory), theirs: try await measure(right, seconds, directory))
        }
        return Result(
            left: pairs.ours.median, right: pairs.theirs.median, ratio: pairs.ratio, least: pairs.ratios.first ?? .nan,
            most: pairs.ratios.last ?? .nan)
    }

    private func measure(_ side: Side, _ seconds: Double, _ parent: String) async throws -> Double {
        let scratch = try ScratchDirectory(in: parent)
        defer { scratch.remove() }
        return try await side(scratch.path, .seconds(seconds))
    }
}
