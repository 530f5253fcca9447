import ArgumentParser
import FoundationEssentials
import LongtakeCore

/// What a subcommand found: tables for people, one JSON document for machines, and what was broken.
struct ResultDocument: Sendable {
    var tables: [ResultTable] = []
    /// Sentences below the tables.
    var notes: [String] = []
    /// What should have held and did not: events lost, twice, out of order, never reached. Never a time.
    private(set) var faults: [String] = []
    /// The subcommand.
    let name: String
    private var members: [String: JSONValue]

    init(_ command: String) {
        name = command
        members = ["command": .string(command)]
    }

    subscript(_ name: String) -> JSONValue? {
        get { members[name] }
        set { members[name] = newValue }
    }

    mutating func append(_ name: String, _ object: [String: JSONValue]) {
        var elements: [JSONValue] = []
        if case .array(let before) = members[name] { elements = before }
        members[name] = .array(elements + [.object(object)])
    }

    mutating func blame(_ fault: String) { faults.append(fault) }

    mutating func expect(_ delivery: Delivery, _ whose: String) {
        if delivery.gaps > 0 { blame("\(whose): \(delivery.gaps) events are missing") }
        if delivery.duplicates > 0 { blame("\(whose): \(delivery.duplicates) events came twice or out of order") }
        if delivery.hardRefusals > 0 {
            blame(
                "\(whose): \(delivery.hardRefusals) streams were refused with 429 or 503, at which a browser gives up")
        }
        if delivery.cuts > 0 { blame("\(whose): \(delivery.cuts) streams ended without a word, and were resumed") }
        for failure in delivery.failures.prefix(3) { blame("\(whose): \(failure)") }
    }

    var json: JSONValue {
        .object(members.merging(["faults": .array(faults.map { .string($0) })]) { $1 })
    }

    var text: String {
        (tables.map(\.text) + (notes.isEmpty ? [] : [notes.joined(separator: "\n")])
            + (faults.isEmpty ? [] : [faults.map { "BROKEN: \($0)" }.joined(separator: "\n")]))
            .joined(separator: "\n\n")
    }
}

/// Results as columns that line up.
struct ResultTable: Sendable {
    private var rows: [[String]]

    init(_ head: [String]) { rows = [head] }

    mutating func add(_ row: [String]) { rows.append(row) }

    /// The first column is set to the left, numbers to the right.
    var text: String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + space : space + row[column]
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}

extension Double {
    /// With so many digits behind the point; a dash where nothing was measured.
    func shown(_ digits: Int) -> String {
        guard isFinite else { return "–" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let whole = Int64((abs(self) * scale).rounded())
        let fraction = String(whole % Int64(scale))
        let sign = self < 0 && whole > 0 ? "-" : ""
        let padding = String(repeating: "0", count: max(0, digits - fraction.count))
        return sign + String(whole / Int64(scale)) + (digits > 0 ? "." + padding + fraction : "")
    }
}

extension Int {
    /// Bytes as mebibytes.
    var mebibytes: String { (Double(self) / 1_048_576).shown(1) }
}

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

/// Where results and databases go.
struct OutputOptions: ParsableArguments {
    @Option(help: "A file for the results as a JSON document.")
    var json: String?
    @Option(help: "Where the databases are made; the file system matters. They are removed afterwards.")
    var directory = FileManager.default.temporaryDirectory.path

    func validate() throws {
        guard FileManager.default.isWritableFile(atPath: directory) else {
            throw ValidationError("--directory \(directory) is no directory that can be written to")
        }
    }

    /// Prints the tables, writes the document.
    /// - Throws: exit status 1 where something was broken.
    func finish(_ document: ResultDocument) throws {
        print(document.text)
        if let json {
            try Data((try JSONText.encode(document.json) + "\n").utf8).write(to: URL(filePath: json))
        }
        if !document.faults.isEmpty { throw ExitCode(1) }
    }
}
