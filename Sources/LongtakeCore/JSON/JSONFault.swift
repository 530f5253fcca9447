/// Why bytes are no JSON that is taken.
package enum JSONFault: Error, Hashable, Sendable {
    case notUTF8
    /// It begins with U+FEFF, which RFC 8259 §8.1 forbids.
    case byteOrderMark
    /// The byte, counted from 0, where it stops being JSON.
    case malformed(at: Int)
    /// Two members of one object have this name.
    case repeated(String)
    /// The names of two members of one object differ in their bytes and are the same text to Unicode (canonical equivalence).
    case equivalent(String)
    /// The name of a member that ends before this byte has more than ``Limits/jsonNameBytes``.
    case longName(at: Int)
    /// A number that 64 bits hold neither whole nor as a fraction.
    case outOfRange(at: Int)
    /// More than ``Limits/jsonDepth``.
    case tooDeep
}
