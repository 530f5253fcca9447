/// The large database beside the small one, call by call in turn, so that what the machine does meanwhile meets both.
struct GrowthComparison {
    let large: GrowthProbe
    let small: GrowthProbe
    let rounds: Int
    let calls: Int

    /// The table, as lines.
    func run() async throws -> [String] {
        var lines = ["call                        large        small    ratio"]
        for (name, call) in GrowthProbe.calls {
            // Once unmeasured, so that neither pays for what only the first call does.
            for _ in 0..<10 { _ = (try await call(large), try await call(small)) }
            lines.append(
                try await line(name) {
                    var (left, right) = ([Duration](), [Duration]())
                    for _ in 0..<calls {
                        left.append(try await call(large))
                        right.append(try await call(small))
                    }
                    return (left.median, right.median)
                })
        }
        lines.append(try await line("open to ready") { (try await large.reopen(), try await small.reopen()) })
        try await large.close()
        try await small.close()
        return lines
    }

    private func line(
        _ name: String, _ round: () async throws -> (large: Duration, small: Duration)
    ) async throws -> String {
        var pairs = Rounds()
        for _ in 0..<rounds {
            let (large, small) = try await round()
            pairs.add(ours: large / .microseconds(1), theirs: small / .microseconds(1))
        }
        func cell(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        return name + cell("\(pairs.ours.median.shown(0)) µs", 33 - name.count)
            + cell("\(pairs.theirs.median.shown(0)) µs", 13) + cell(pairs.ratio.shown(2), 9)
    }
}

extension [Duration] {
    var median: Duration { .microseconds(map { $0 / .microseconds(1) }.median) }

    /// The time that this part of all stay below.
    func quantile(_ part: Double) -> Duration { sorted()[Swift.min(count - 1, Int(Double(count) * part))] }
}
