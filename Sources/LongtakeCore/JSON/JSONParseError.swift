/// Why the daemon rejects bytes as JSON.
package enum JSONParseError: Error, Hashable, Sendable {
    case notUTF8
    /// The text begins with U+FEFF, which RFC 8259 §8.1 forbids.
    case byteOrderMark
    /// The offset of the first byte that is not valid JSON.
    case malformed(at: Int)
    /// Two members of one object have this name.
    case duplicateName(String)
    /// Two members of one object have names with different bytes that Unicode considers equal
    /// (canonical equivalence).
    case equivalentNames(String)
    /// A member name that ends before this offset is longer than ``Limits/jsonNameBytes``.
    case nameTooLong(at: Int)
    /// The number at this offset fits neither into 64 bits nor into a `Double`.
    case numberOutOfRange(at: Int)
    /// Arrays and objects are nested deeper than ``Limits/jsonDepth``.
    case tooDeep
}
