import Hummingbird
import LongtakeCore

/// A request's query values, read with clear refusals.
struct Query: Sendable {
    private let values: [String: String]

    /// The first of several values of one name counts.
    init(_ request: Request) {
        var values: [String: String] = [:]
        for (name, value) in request.uri.queryParameters where values[String(name)] == nil {
            values[String(name)] = String(value)
        }
        self.values = values
    }

    subscript(name: String) -> String? { values[name] }

    /// A whole number of `range`; `nil` where the name is absent.
    func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = values[name] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw .badQuery(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// One of some words; `nil` where the name is absent.
    func choice(_ name: String, of words: [String]) throws(Problem) -> String? {
        guard let text = values[name] else { return nil }
        guard words.contains(text) else { throw .badQuery(name, "must be one of \(words.joined(separator: ", "))") }
        return text
    }
}
