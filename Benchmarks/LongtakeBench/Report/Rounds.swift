import LongtakeCore

/// A quantity of two sides that were measured in turn.
struct Rounds: Sendable {
    private(set) var ours: [Double] = []
    private(set) var theirs: [Double] = []

    mutating func add(ours: Double, theirs: Double) {
        self.ours.append(ours)
        self.theirs.append(theirs)
    }

    /// Of the pairs, the least first.
    var ratios: [Double] { zip(ours, theirs).map { $0 / $1 }.filter(\.isFinite).sorted() }

    /// The median of the pairs', so that it holds where the machine's speed drifts.
    var ratio: Double { ratios.median }

    var described: String {
        "\(ours.median.shown(3)) / \(theirs.median.shown(3)), ratio \(ratio.shown(2)) "
            + "(\((ratios.first ?? .nan).shown(2))…\((ratios.last ?? .nan).shown(2)))"
    }

    var json: JSONValue {
        .object([
            "ours": .measured(ours.median), "theirs": .measured(theirs.median), "ratio": .measured(ratio),
            "ratio_least": .measured(ratios.first), "ratio_most": .measured(ratios.last),
            "rounds": .measured(ours.count),
        ])
    }
}

extension [Double] {
    /// Of an even number, the mean of the two in the middle.
    var median: Double {
        guard !isEmpty else { return .nan }
        let sorted = sorted()
        return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    }
}
