import Hummingbird
import LongtakeCore

/// A request's query values, read with clear refusals.
struct Query: Sendable {
    private let values: [String: [String]]

    init(_ request: Request) {
        var values: [String: [String]] = [:]
        for (name, value) in request.uri.queryParameters { values[String(name), default: []].append(String(value)) }
        // What stands between two “&” that follow each other.
        if values[""]?.allSatisfy(\.isEmpty) == true { values[""] = nil }
        self.values = values
    }

    /// The names that are there, in alphabetical order.
    var names: [String] { values.keys.sorted() }

    /// The value of a name that may be given once.
    subscript(name: String) -> String? { values[name]?.first }

    /// All values of a name that may be repeated, in order.
    func all(_ name: String) -> [String] { values[name] ?? [] }

    /// The text of the cursor: the first that is not empty of the header `Last-Event-ID` and the parameters ``cursorNames``.
    func cursor(of request: Request) -> String? {
        // Of a repeated `lastEventId` the last one counts: the page wrote the others.
        ([request.headers[.lastEventID], all(Self.polyfillCursor).last { !$0.isEmpty }]
            + Self.cursorNames.map { self[$0] })
            .compactMap { $0?.trimmed }.first { !$0.isEmpty }
    }

    /// The parameters that can hold a cursor, by precedence, and before them the one that polyfills of `EventSource` append when they
    /// reconnect: the page wrote the others before the stream began.
    static let polyfillCursor = "lastEventId"
    static let cursorNames = ["last_event_id", "after"]

    /// A whole number of `range`; `nil` where the name is absent.
    func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = self[name] else { return nil }
        guard let value = Int(digits: text), range.contains(value) else {
            throw .badQuery(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// One of some words; `nil` where the name is absent.
    func choice(_ name: String, of words: [String]) throws(Problem) -> String? {
        guard let text = self[name] else { return nil }
        guard words.contains(text) else { throw .badQuery(name, "must be one of \(words.joined(separator: ", "))") }
        return text
    }
}
