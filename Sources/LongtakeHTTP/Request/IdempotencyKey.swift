import Hummingbird
import LongtakeCore
import RawStructuredFieldValues

extension Request {
    /// The request's `Idempotency-Key`; `nil` if it has none.
    func idempotencyKey() throws(Problem) -> String? { try IdempotencyKey.read(headers[values: .idempotencyKey]) }
}

/// The name that a client gives a request, so that it can repeat the request without doing it twice.
///
/// The IETF draft (draft-ietf-httpapi-idempotency-key-header) writes the key as a quoted string, most clients write it bare. `"K"` and `K`
/// are the same key.
enum IdempotencyKey {
    /// - Parameter fields: all `Idempotency-Key` fields of a request.
    /// - Throws: ``Problem`` with 400 if the key is empty, too long or malformed, or if there are several.
    static func read(_ fields: [String]) throws(Problem) -> String? {
        guard let field = fields.first else { return nil }
        guard fields.count == 1, let key = key(in: field.trimmed),
            (1...Limits.idempotencyKeyBytes).contains(key.utf8.count)
        else { throw .malformedIdempotencyKey }
        return key
    }

    private static func key(in field: String) -> String? {
        guard field.hasPrefix("\"") else {
            return field.utf8.allSatisfy { (0x20...0x7e).contains($0) } ? field : nil
        }
        // A string of RFC 8941 §3.3.3: a backslash stands before a quote or a backslash, and before nothing else.
        var parser = StructuredFieldValueParser(Array(field.utf8))
        guard let item = try? parser.parseItemFieldValue(), case .string(let key) = item.rfc9651BareItem else {
            return nil
        }
        return key
    }
}

extension Problem {
    fileprivate static let malformedIdempotencyKey = Problem.badHeader(
        "Idempotency-Key",
        "must be one key of 1 to \(Limits.idempotencyKeyBytes) printable ASCII characters, bare or as a quoted string")
}
