package import Testing

/// The events of one job that a client has received, and the rules of an event log (oracles O2, O3
/// and O5).
package struct JobLog {
    package private(set) var lines: [String] = []
    /// The ids in order, from the `id:` lines.
    package private(set) var ids: [String] = []

    package init() {}

    package init(_ blocks: [EventBlock]) {
        for block in blocks { add(block) }
    }

    /// Adds a block. It ignores messages about the stream.
    package mutating func add(_ block: EventBlock) {
        guard block.isLogged, let data = block.data, let id = block.id else { return }
        lines.append(data)
        ids.append(id)
    }

    package var types: [String] { lines.map { Self.member("type", of: $0) } }

    package var last: String? { ids.last }

    /// Checks the rules of the complete event log of a finished job.
    package func checkWhole(_ source: SourceLocation = #_sourceLocation) throws {
        try checkDense(from: 1, source)
        let finals = types.filter { ["job.succeeded", "job.failed", "job.canceled"].contains($0) }
        #expect(finals.count == 1, "exactly one final event", sourceLocation: source)
        #expect(types.last == finals.first, "the final event is the last", sourceLocation: source)
        var progress = -1.0
        var ended: Set<String> = []
        for (line, type) in zip(lines, types) {
            let event = try JSON.object(line)
            let value = try #require(event["progress"] as? Double, sourceLocation: source)
            #expect(value >= progress, "progress never decreases: \(line)", sourceLocation: source)
            #expect(type == "job.succeeded" ? value == 1 : value < 1, "\(line)", sourceLocation: source)
            progress = value
            guard let stage = event["stage"] as? String else { continue }
            if type == "stage.succeeded" { ended.insert(stage) }
            if type == "stage.started" || type == "job.resumed" {
                #expect(!ended.contains(stage), "a stage that succeeded starts again: \(line)", sourceLocation: source)
            }
        }
    }

    /// The numbers must be consecutive in `id:`, `id` and `seq`.
    package func checkDense(from first: Int, _ source: SourceLocation = #_sourceLocation) throws {
        for (index, line) in lines.enumerated() {
            let event = try JSON.object(line)
            let number = first + index
            #expect(event["seq"] as? Double == Double(number), "dense from \(first): \(line)", sourceLocation: source)
            #expect(event["id"] as? String == ids[index], sourceLocation: source)
            #expect(ids[index].hasSuffix("-\(number)"), sourceLocation: source)
        }
    }

    private static func member(_ name: String, of line: String) -> String {
        guard let range = line.firstRange(of: "\"\(name)\":\"") else { return "" }
        return String(line[range.upperBound...].prefix { $0 != "\"" })
    }
}

extension Tag {
    /// The test takes more than a few seconds.
    @Tag package static var slow: Self
}
