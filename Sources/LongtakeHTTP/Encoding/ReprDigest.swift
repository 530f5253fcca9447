import FoundationEssentials
import HTTPTypes
import LongtakeAPI
import LongtakeCore
import RawStructuredFieldValues

/// The header `Repr-Digest` (RFC 9530), as far as it contains a SHA-256.
enum ReprDigest {
    /// Parses the header of a request.
    ///
    /// Other algorithms are ignored. The RFC allows a server to ignore a malformed header too. Here
    /// the client would believe that its bytes were checked.
    /// - Parameter fields: the values of all fields with this name.
    /// - Returns: `nil` if the request names no SHA-256.
    /// - Throws: ``Problem`` with 400 if the header is malformed.
    static func parse(_ fields: [String]) throws(Problem) -> ContentHash? {
        guard !fields.isEmpty else { return nil }
        var parser = StructuredFieldValueParser(Array(fields.joined(separator: ", ").utf8))
        guard let members = try? parser.parseDictionaryFieldValue() else { throw .malformedDigest }
        guard let member = members["sha-256"] else { return nil }
        guard case .item(let item) = member, case .undecodedByteSequence(let text) = item.rfc9651BareItem,
            let digest = Data(base64Encoded: String(text)), digest.count == 32
        else { throw .malformedDigest }
        return ContentHash(bytes: digest)
    }

    /// The value of the header for some content.
    static func text(_ hash: ContentHash) -> String { "sha-256=:\(Data(hash.bytes).base64EncodedString()):" }
}

extension Problem {
    fileprivate static let malformedDigest = Problem.badHeader(
        "Repr-Digest", "must be a list of digests, such as sha-256=:BASE64:, where a SHA-256 has 32 bytes")

    static let digestMismatch = Problem(
        type: .digestMismatch, status: .badRequest, title: "Digest mismatch",
        detail: "The received bytes do not have the SHA-256 in “Repr-Digest”. Nothing was stored. Send them again.")
}
