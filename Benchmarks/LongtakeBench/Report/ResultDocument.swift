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
