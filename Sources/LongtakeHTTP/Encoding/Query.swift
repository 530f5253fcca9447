import Hummingbird
import LongtakeCore

/// The query parameters of a request.
struct Query: Sendable {
    private let values: [String: [String]]

    init(_ request: Request) {
        var values: [String: [String]] = [:]
        for (name, value) in request.uri.queryParameters { values[String(name), default: []].append(String(value)) }
        // Two “&” in a row are not a parameter.
        if values[""]?.allSatisfy(\.isEmpty) == true { values[""] = nil }
        self.values = values
    }

    /// The names of all parameters, in alphabetical order.
    var names: [String] { values.keys.sorted() }

    /// The value of a parameter that may occur once.
    subscript(name: String) -> String? { values[name]?.first }

    /// All values of a parameter that may occur several times, in order.
    func all(_ name: String) -> [String] { values[name] ?? [] }

    /// The text of the cursor: the first non-empty value of the header `Last-Event-ID`, the
    /// parameter ``polyfillCursor`` and the parameters ``cursorNames``.
    func cursor(of request: Request) -> String? {
        // If `lastEventId` is repeated, the polyfill wrote the last one, and the page wrote the
        // others.
        ([request.headers[.lastEventID], all(Self.polyfillCursor).last { !$0.isEmpty }]
            + Self.cursorNames.map { self[$0] })
            .compactMap { $0?.trimmed }.first { !$0.isEmpty }
    }

    /// The parameter that polyfills of `EventSource` append when they reconnect. It takes
    /// precedence over ``cursorNames``, because the page wrote those before the stream began.
    static let polyfillCursor = "lastEventId"
    /// The parameters that can contain a cursor, in order of precedence.
    static let cursorNames = ["last_event_id", "after"]

    /// An integer in `range`; `nil` if the parameter is absent.
    /// - Throws: ``Problem`` with 400 for any other value.
    func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = self[name] else { return nil }
        guard let value = Int(digits: text), range.contains(value) else {
            throw .badQuery(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// One of `words`; `nil` if the parameter is absent.
    /// - Throws: ``Problem`` with 400 for any other value.
    func choice(_ name: String, of words: [String]) throws(Problem) -> String? {
        guard let text = self[name] else { return nil }
        guard words.contains(text) else { throw .badQuery(name, "must be one of \(words.joined(separator: ", "))") }
        return text
    }
}

/// The query parameters that a route accepts.
///
/// All others are refused. If the daemon ignored a misspelt filter, the response would contain
/// unwanted items.
struct QueryNames: Hashable, Sendable {
    /// Parameters that may occur once.
    let single: [String]
    /// Parameters that may occur several times.
    let repeatable: [String]
    /// Parameters that are accepted and ignored.
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

    /// Adds parameters that may occur once.
    func adding(_ names: String...) -> QueryNames {
        QueryNames(single: single + names, repeatable: repeatable, ignored: ignored)
    }

    /// Adds the parameters that can contain a cursor.
    ///
    /// Old versions of an `EventSource` polyfill append `r` and a random number to each request, so
    /// that no cache answers it.
    var withCursor: QueryNames {
        QueryNames(
            single: Query.cursorNames + single, repeatable: [Query.polyfillCursor] + repeatable, ignored: ["r"])
    }

    /// - Throws: ``Problem`` with 400 if a parameter is unknown or occurs too often.
    func check(_ query: Query) throws(Problem) {
        for name in query.names where !(repeatable + ignored).contains(name) {
            guard single.contains(name) else { throw .badQuery(String(name.prefix(64)), "is unknown here\(known)") }
            guard query.all(name).count == 1 else { throw .badQuery(name, "may occur only once") }
        }
    }

    private var known: String {
        let names = (single + repeatable).sorted().joined(separator: ", ")
        return names.isEmpty ? "; this address takes no query" : "; known are \(names)"
    }
}
