/// What the finished runs of one stage of a pipeline took. One row of a store.
///
/// All durations are ratios to ``Stage/expectedSeconds``. So runs with large and small inputs
/// (`scales_with`) count alike.
public struct StageHistory: Hashable, Sendable, Codable {
    /// The number of runs that were counted since the history began.
    public private(set) var runs: Int
    /// Actual ÷ expected seconds of the newest runs.
    public private(set) var ratios: RecentRatios

    /// How many ratios are kept. The oldest one has 15 % of the weight of the newest.
    public static let keptRatios = 64
    /// The weight of a run, relative to the run after it. A change of the hardware is half learned
    /// after 23 runs.
    static let weight = 0.97

    public init() {
        runs = 0
        ratios = RecentRatios(limit: Self.keptRatios)
    }

    /// The history of a row.
    public init(runs: Int, ratios: RecentRatios) {
        self.runs = max(0, runs)
        self.ratios = ratios
    }

    mutating func add(_ run: StageRun) {
        runs += 1
        ratios.add(run.seconds / run.expectedSeconds)
    }

    /// The mean ratio; 1 without runs, so that the configured seconds count.
    var mean: Double {
        guard !ratios.values.isEmpty else { return 1 }
        return weighted { $0 }
    }

    /// The variance of the ratio; 1 with fewer than two runs, as for a memoryless duration.
    var variance: Double {
        guard ratios.values.count > 1 else { return 1 }
        let mean = mean
        return weighted { ($0 - mean) * ($0 - mean) }
    }

    /// The mean of what is left of a run that already took `elapsed`, as ratios: the mean over the
    /// earlier runs that took longer.
    ///
    /// If few runs took longer, an assumption replaces the missing ones: what is left is one
    /// standard deviation. It has the weight of one run, times the part of the runs that were
    /// shorter.
    func remainder(after elapsed: Double) -> Double {
        var (sum, longer, all, weight) = (0.0, 0.0, 0.0, 1.0)
        for ratio in ratios.values.reversed() {
            all += weight
            if Double(ratio) > elapsed {
                sum += weight * (Double(ratio) - elapsed)
                longer += weight
            }
            weight *= Self.weight
        }
        guard all > 0 else { return max(1 - elapsed, 0.1) }
        let assumed = 1 - longer / all
        guard longer + assumed > 0 else { return 0 }
        return (sum + assumed * variance.squareRoot()) / (longer + assumed)
    }

    private func weighted(_ term: (Double) -> Double) -> Double {
        var (sum, all, weight) = (0.0, 0.0, 1.0)
        for ratio in ratios.values.reversed() {
            sum += weight * term(Double(ratio))
            all += weight
            weight *= Self.weight
        }
        return sum / all
    }
}
