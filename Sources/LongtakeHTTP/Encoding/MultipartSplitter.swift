import Glibc

/// Splits a body of the type `multipart/form-data` into its parts while it arrives (RFC 7578,
/// RFC 2046 §5.1.1).
///
/// Its memory is bounded: it keeps the headers of the current part, and as many bytes of the
/// content as may be the beginning of a delimiter.
struct MultipartSplitter: Sendable {
    /// What the next bytes of the body contain.
    enum Piece: Hashable, Sendable {
        /// A part begins. The names of its headers are in lower case.
        case part([String: String])
        /// Bytes of the content of the part.
        case content([UInt8])
        /// The content of the part has ended.
        case endOfPart
    }

    /// Why a body is refused, as words that follow “the body”.
    struct Malformed: Error, Hashable, Sendable {
        let reason: String
    }

    private enum State {
        /// Before the first delimiter. The bytes there have no meaning.
        case preamble
        /// Behind a delimiter: the rest of its line decides whether a part follows.
        case delimiter
        case headers
        case content
        /// Behind the last delimiter. The bytes there have no meaning.
        case epilogue
    }

    /// Bytes of all headers of a part.
    static let headerBytes = 8 * 1024
    /// Bytes of white space between a delimiter and the end of its line.
    private static let paddingBytes = 256

    private static let lineBreak = Array("\r\n".utf8)
    private static let emptyLine = Array("\r\n\r\n".utf8)

    private let delimiter: [UInt8]
    private var state = State.preamble
    private var buffer: [UInt8]

    /// - Parameter boundary: 1 to 70 bytes (RFC 2046 §5.1.1); `nil` for any other length.
    init?(boundary: String) {
        guard (1...70).contains(boundary.utf8.count) else { return nil }
        delimiter = Array("\r\n--\(boundary)".utf8)
        // A delimiter at the very beginning of the body has no line break before it.
        buffer = Self.lineBreak
    }

    /// Whether the last delimiter has arrived.
    var isComplete: Bool { state == .epilogue }

    /// Reads the next bytes of the body.
    /// - Throws: ``Malformed`` if the body has no valid form.
    mutating func read(_ bytes: some Sequence<UInt8>) throws(Malformed) -> [Piece] {
        guard state != .epilogue else { return [] }
        buffer += bytes
        var pieces: [Piece] = []
        while try advance(&pieces) {}
        return pieces
    }

    /// Handles the beginning of the buffer.
    /// - Returns: whether there may be more to handle; `false` if more bytes must arrive first.
    private mutating func advance(_ pieces: inout [Piece]) throws(Malformed) -> Bool {
        switch state {
        case .preamble:
            guard skipToDelimiter() != nil else { return false }
            state = .delimiter
            return true
        case .delimiter:
            return try endDelimiter()
        case .headers:
            guard let end = find(Self.emptyLine) else {
                guard buffer.count < Self.headerBytes else {
                    throw Malformed(reason: "has a part with too many headers")
                }
                return false
            }
            guard end.lowerBound <= Self.headerBytes else {
                throw Malformed(reason: "has a part with too many headers")
            }
            pieces.append(.part(Self.headers(buffer[..<end.lowerBound])))
            buffer.removeSubrange(..<end.upperBound)
            state = .content
            return true
        case .content:
            if let content = skipToDelimiter() {
                if !content.isEmpty { pieces.append(.content(content)) }
                pieces.append(.endOfPart)
                state = .delimiter
                return true
            }
            let length = buffer.count - min(buffer.count, delimiter.count - 1)
            guard length > 0 else { return false }
            pieces.append(.content(Array(buffer[..<length])))
            buffer.removeSubrange(..<length)
            return false
        case .epilogue:
            buffer = []
            return false
        }
    }

    /// The first place of some bytes in the buffer. `memchr(3)` looks for their first byte, because
    /// it passes a gigabyte in a fraction of the time that a generic search takes.
    private func find(_ bytes: [UInt8]) -> Range<Int>? {
        buffer.withUnsafeBytes { buffer in
            var from = 0
            while let start = buffer.baseAddress, from + bytes.count <= buffer.count {
                let rest = start + from
                guard let found = memchr(rest, CInt(bytes[0]), buffer.count - bytes.count + 1 - from) else { break }
                from += rest.distance(to: UnsafeRawPointer(found))
                if memcmp(start + from, bytes, bytes.count) == 0 { return from..<(from + bytes.count) }
                from += 1
            }
            return nil
        }
    }

    /// Removes the bytes up to the end of the next delimiter.
    /// - Returns: the bytes before the delimiter; `nil` if the buffer contains none.
    private mutating func skipToDelimiter() -> [UInt8]? {
        guard let found = find(delimiter) else {
            if state == .preamble { buffer.removeSubrange(..<(buffer.count - min(buffer.count, delimiter.count - 1))) }
            return nil
        }
        let before = Array(buffer[..<found.lowerBound])
        buffer.removeSubrange(..<found.upperBound)
        return before
    }

    private mutating func endDelimiter() throws(Malformed) -> Bool {
        guard buffer.count >= 2 else { return false }
        if buffer.starts(with: "--".utf8) {
            (state, buffer) = (.epilogue, [])
            return false
        }
        guard let end = find(Self.lineBreak)?.lowerBound else {
            guard buffer.count < Self.paddingBytes else { throw Malformed(reason: "has a malformed delimiter") }
            return false
        }
        guard buffer[..<end].allSatisfy({ $0 == 0x20 || $0 == 0x09 }) else {
            throw Malformed(reason: "has a malformed delimiter")
        }
        // The line break stays, so that a part without headers has an empty line too.
        buffer.removeSubrange(..<end)
        state = .headers
        return true
    }

    /// Parses headers. Lines without a colon are ignored.
    private static func headers(_ bytes: ArraySlice<UInt8>) -> [String: String] {
        var headers: [String: String] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: { $0 == "\r\n" || $0 == "\n" }) {
            let pair = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { headers[pair[0].trimmed.lowercased()] = pair[1].trimmed }
        }
        return headers
    }
}

extension MultipartSplitter {
    /// - Parameter contentType: the `Content-Type` of a request.
    /// - Returns: the boundary; `nil` if the type is not `multipart/form-data`, empty if there is
    ///   no boundary.
    static func boundary(in contentType: String?) -> String? {
        let parts = (contentType ?? "").parts(separatedBy: UInt8(ascii: ";"))
        guard parts[0].lowercased() == "multipart/form-data" else { return nil }
        for part in parts.dropFirst() {
            let pair = part.parts(separatedBy: UInt8(ascii: "="), limit: 2)
            guard pair.count == 2, pair[0].lowercased() == "boundary" else { continue }
            let isQuoted = pair[1].utf8.count > 1 && pair[1].hasPrefix("\"") && pair[1].hasSuffix("\"")
            return isQuoted ? String(pair[1].dropFirst().dropLast()) : pair[1]
        }
        return ""
    }
}
