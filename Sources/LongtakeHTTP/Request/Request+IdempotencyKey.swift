import Hummingbird
import LongtakeCore

extension Request {
    /// The name that a client gives a request, so that it can be sent again without being done again; `nil` where it gives none.
    /// - Throws: ``Problem`` with 400 for a malformed one.
    func idempotencyKey() throws(Problem) -> String? {
        guard let key = headers[.idempotencyKey] else { return nil }
        guard (1...Limits.idempotencyKeyBytes).contains(key.utf8.count),
            key.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else {
            throw .badRequest("An Idempotency-Key has 1 to \(Limits.idempotencyKeyBytes) visible ASCII characters.")
        }
        return key
    }
}
