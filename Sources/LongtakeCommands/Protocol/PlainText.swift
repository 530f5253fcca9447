import LongtakeCore

/// Makes the output of a program safe to show: valid UTF-8 without control characters.
enum PlainText {
    /// The bytes as UTF-8. Invalid bytes and control characters become U+FFFD. A tab stays.
    static func line(_ bytes: some Collection<UInt8>) -> [UInt8] { clean(bytes, keepsLineEnds: false) }

    /// The end of a text of several lines: at most `limit` bytes, from the beginning of a
    /// character. A carriage return becomes a line end.
    static func tail(_ bytes: some Collection<UInt8>, limit: Int) -> String {
        var end = clean(bytes, keepsLineEnds: true).suffix(limit)
        while let first = end.first, first & 0xc0 == 0x80 { end = end.dropFirst() }
        return String(decoding: end, as: UTF8.self)
    }

    private static func clean(_ bytes: some Collection<UInt8>, keepsLineEnds: Bool) -> [UInt8] {
        if bytes.allSatisfy({ (0x20...0x7e).contains($0) || $0 == 0x09 }) { return Array(bytes) }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            switch scalar {
            case "\t": result.append(0x09)
            case "\n" where keepsLineEnds, "\r" where keepsLineEnds: result.append(0x0a)
            case _ where scalar.properties.generalCategory == .control: result.append("\u{fffd}" as StaticString)
            default: result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
        return result
    }
}

/// The end of what a program wrote, for the error of a failed attempt. It holds a constant number
/// of bytes.
struct OutputTail: Sendable {
    private let limit: Int
    private var bytes: [UInt8] = []

    init(limit: Int = Limits.errorDetailBytes) { self.limit = limit }

    mutating func add(_ chunk: ArraySlice<UInt8>) {
        bytes.append(contentsOf: chunk.suffix(limit))
        if bytes.count > limit { bytes.removeFirst(bytes.count - limit) }
    }

    /// The text for people; `nil` if the program wrote nothing.
    var text: String? { bytes.isEmpty ? nil : PlainText.tail(bytes, limit: limit) }
}
