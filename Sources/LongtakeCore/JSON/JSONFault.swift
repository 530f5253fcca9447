/// Why bytes are no JSON that is taken.
package enum JSONFault: Error, Hashable, Sendable {
    case notUTF8
    /// The byte, counted from 0, where it stops being JSON.
    case malformed(at: Int)
    /// Two members of one object have this name.
    case repeated(String)
    /// A number that 64 bits hold neither whole nor as a fraction.
    case outOfRange(at: Int)
    /// More than ``Limits/jsonDepth``.
    case tooDeep
}
