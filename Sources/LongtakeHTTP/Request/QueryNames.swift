/// The query parameters that an address takes.
///
/// Any other is refused: a filter that is misspelt and passed over would show what nobody asked for.
struct QueryNames: Hashable, Sendable {
    /// They may be given once.
    let single: [String]
    /// They may be given several times.
    let repeatable: [String]

    init(_ single: String..., repeatable: [String] = []) {
        self.single = single
        self.repeatable = repeatable
    }

    private init(single: [String], repeatable: [String]) {
        self.single = single
        self.repeatable = repeatable
    }

    /// The same, and more that may be given once.
    func adding(_ names: String...) -> QueryNames { QueryNames(single: single + names, repeatable: repeatable) }

    /// The same, and the parameters that hold a cursor.
    var withCursor: QueryNames { QueryNames(single: Query.cursorNames + single, repeatable: repeatable) }

    /// - Throws: ``Problem`` with 400 for a parameter that is unknown here, or given more often than it may be.
    func check(_ query: Query) throws(Problem) {
        for name in query.names where !repeatable.contains(name) {
            guard single.contains(name) else { throw .badQuery(String(name.prefix(64)), "is unknown here\(known)") }
            guard query.all(name).count == 1 else { throw .badQuery(name, "may be given once") }
        }
    }

    private var known: String {
        let names = (single + repeatable).sorted().joined(separator: ", ")
        return names.isEmpty ? "; this address takes no query" : "; known are \(names)"
    }
}
