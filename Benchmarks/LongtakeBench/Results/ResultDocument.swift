import ArgumentParser
import FoundationEssentials
import LongtakeCore

/// The results of a subcommand: tables for people, a JSON document for programs, and the faults.
struct ResultDocument: Sendable {
    var tables: [ResultTable] = []
    /// Lines below the tables.
    var notes: [String] = []
    /// Errors of the measured servers, such as lost, duplicated or reordered events. A slow result
    /// is not a fault.
    private(set) var faults: [String] = []
    /// The name of the subcommand.
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

    /// Appends an object to the array with this name.
    mutating func append(_ name: String, _ object: [String: JSONValue]) {
        var elements: [JSONValue] = []
        if case .array(let before) = members[name] { elements = before }
        members[name] = .array(elements + [.object(object)])
    }

    mutating func addFault(_ fault: String) { faults.append(fault) }

    /// Adds a fault for each kind of error in the delivery.
    mutating func check(_ delivery: Delivery, of name: String) {
        if delivery.missing > 0 { addFault("\(name): \(delivery.missing) events are missing") }
        if delivery.duplicates > 0 {
            addFault("\(name): \(delivery.duplicates) events arrived twice or out of order")
        }
        if delivery.statusRejections > 0 {
            addFault(
                "\(name): \(delivery.statusRejections) streams were rejected with 429 or 503, after which a browser gives up"
            )
        }
        if delivery.disconnects > 0 {
            addFault("\(name): \(delivery.disconnects) streams ended without stream.end, and were resumed")
        }
        for failure in delivery.failures.prefix(3) { addFault("\(name): \(failure)") }
    }

    var json: JSONValue {
        .object(members.merging(["faults": .array(faults.map { .string($0) })]) { $1 })
    }

    var text: String {
        (tables.map(\.text) + (notes.isEmpty ? [] : [notes.joined(separator: "\n")])
            + (faults.isEmpty ? [] : [faults.map { "FAULT: \($0)" }.joined(separator: "\n")]))
            .joined(separator: "\n\n")
    }
}

/// A table of results with aligned columns.
struct ResultTable: Sendable {
    private var rows: [[String]]

    init(_ head: [String]) { rows = [head] }

    mutating func add(_ row: [String]) { rows.append(row) }

    /// The first column is aligned to the left, the others to the right.
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

/// The results of two sides that take turns, such as the daemon and another server.
struct PairedRounds: Sendable {
    private(set) var left: [Double] = []
    private(set) var right: [Double] = []

    mutating func add(_ left: Double, _ right: Double) {
        self.left.append(left)
        self.right.append(right)
    }

    /// The ratio of each pair, sorted.
    var ratios: [Double] { zip(left, right).map { $0 / $1 }.filter(\.isFinite).sorted() }

    /// The median of the pairs' ratios. It stays valid if the speed of the machine drifts.
    var ratio: Double { ratios.median }

    var text: String {
        "\(left.median.fixed(3)) / \(right.median.fixed(3)), ratio \(ratio.fixed(2)) "
            + "(\((ratios.first ?? .nan).fixed(2))…\((ratios.last ?? .nan).fixed(2)))"
    }

    var json: JSONValue {
        .object([
            "ours": .measured(left.median), "theirs": .measured(right.median), "ratio": .measured(ratio),
            "ratio_least": .measured(ratios.first), "ratio_most": .measured(ratios.last),
            "rounds": .measured(left.count),
        ])
    }
}

/// The options that say where the results and the databases go.
struct OutputOptions: ParsableArguments {
    @Option(help: "A file for the results as a JSON document.")
    var json: String?
    @Option(help: "The directory for the databases. Its file system affects the results. They are removed afterwards.")
    var directory = FileManager.default.temporaryDirectory.path

    func validate() throws {
        guard FileManager.default.isWritableFile(atPath: directory) else {
            throw ValidationError("--directory \(directory) must be a directory that this user can write to")
        }
    }

    /// Prints the tables, and writes the JSON document.
    /// - Throws: exit status 1 if there are faults.
    func finish(_ document: ResultDocument) throws {
        print(document.text)
        if let json {
            try Data((try JSONText.encode(document.json) + "\n").utf8).write(to: URL(filePath: json))
        }
        if !document.faults.isEmpty { throw ExitCode(1) }
    }
}

extension JSONValue {
    /// A measured number; `null` if it is missing or not finite, because JSON cannot represent it.
    static func measured(_ value: Double?) -> JSONValue {
        guard let value, value.isFinite else { return .null }
        return .number(value)
    }

    static func measured(_ value: Int) -> JSONValue { .integer(Int64(value)) }
}

extension [Double] {
    /// If the count is even, the mean of the two values in the middle.
    var median: Double {
        guard !isEmpty else { return .nan }
        let sorted = sorted()
        return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    }
}

extension Double {
    /// The number with `digits` digits after the point; a dash if it is not finite.
    func fixed(_ digits: Int) -> String {
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
    /// A number of bytes in MiB.
    var mebibytes: String { (Double(self) / 1_048_576).fixed(1) }
}
