import LongtakeCore
import NIOCore

/// A request's body as JSON.
enum JSONBody {
    /// - Throws: ``Problem`` with 400 for what is not JSON in UTF-8, or is not taken as such.
    static func parse(_ bytes: ByteBuffer) throws(Problem) -> JSONValue {
        do throws(JSONFault) {
            return try JSONReader.read(Array(bytes.readableBytesView))
        } catch {
            switch error {
            case .notUTF8:
                throw .badRequest("The body must be JSON in UTF-8.")
            case .byteOrderMark:
                throw .badRequest(
                    "The body begins with a byte order mark (EF BB BF), which JSON does not allow (RFC 8259 §8.1). Send it without these three bytes."
                )
            case .malformed(let place):
                throw .badRequest("The body must be JSON in UTF-8; it stops being that at byte \(place).")
            case .repeated(let name):
                throw .badRequest("The body has two members “\(name.prefix(64))” in one object.")
            case .equivalent(let name):
                throw .badRequest(
                    "The body has two members in one object whose names are the same text to Unicode, in other bytes: “\(name.prefix(64))”."
                )
            case .longName(let place):
                throw .badRequest(
                    "The body has a member whose name, which ends at byte \(place), has more than \(Limits.jsonNameBytes) bytes."
                )
            case .outOfRange(let place):
                throw .badRequest("The body has a number at byte \(place) that is too large.")
            case .tooDeep:
                throw .badRequest("The body has more than \(Limits.jsonDepth) arrays and objects in one another.")
            }
        }
    }
}
