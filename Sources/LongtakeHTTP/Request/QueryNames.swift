/// The query parameters that an address takes.
///
/// Any other is refused: a filter that is misspelt and passed over would show what nobody asked for.
struct QueryNames: Hashable, Sendable {
    /// They may be given once.
    let single: [String]
    /// They may be given several times.
    let repeatable: [String]
    /// They mean nothing, and are not refused.
    private let ignored: [String]

    init(_ single: String..., repeatable: [String] = []) {
        self.single = single
        self.repeatable = repeatable
        ignored = []
    }

    private init(single: [String], repeatable: [String], ignored: [String]) {
        self.single = single
        self.repeatable = repeatable
        self.ignored = ignored
    }

    /// The same, and more that may be given once.
    func adding(_ names: String...) -> QueryNames {
        QueryNames(single: single + names, repeatable: repeatable, ignored: ignored)
    }

    /// The same, and the parameters that hold a cursor.
    ///
    /// Old versions of a polyfill of `EventSource` append `r` and a random number to each request, so that no cache answers it.
    var withCursor: QueryNames {
        QueryNames(
            single: Query.cursorNames + single, repeatable: [Query.polyfillCursor] + repeatable, ignored: ["r"])
    }

    /// - Throws: ``Problem`` with 400 for a parameter that is unknown here, or given more often than it may be.
    func check(_ query: Query) throws(Problem) {
        for name in query.names where !(repeatable + ignored).contains(name) {
            guard single.contains(name) else { throw .badQuery(String(name.prefix(64)), "is unknown here\(known)") }
            guard query.all(name).count == 1 else { throw .badQuery(name, "may be given once") }
        }
    }

    private var known: String {
        let names = (single + repeatable).sorted().joined(separator: ", ")
        return names.isEmpty ? "; this address takes no query" : "; known are \(names)"
    }
}
