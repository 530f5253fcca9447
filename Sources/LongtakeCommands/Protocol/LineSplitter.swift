import Glibc

/// Splits the output of a program into lines. It is a pure value, and it holds at most ``limit``
/// bytes, however long a line is.
struct LineSplitter: Sendable {
    /// One line, without its end.
    struct Line: Hashable, Sendable {
        var bytes: [UInt8]
        /// Whether the line was longer than the limit. The rest of it is dropped.
        var isCut = false
    }

    /// The longest line in bytes.
    static let maximumLineBytes = 65_536

    let limit: Int
    /// Whether a carriage return ends a line, as progress bars use it. `CR LF` is one end.
    let endsAtCarriageReturn: Bool
    private var partial: [UInt8] = []
    /// Whether the bytes up to the next end belong to a line that was cut.
    private var isSkipping = false
    private var lastEndWasReturn = false
    /// The largest number of bytes that this value has held.
    private(set) var mostBytesHeld = 0

    init(endsAtCarriageReturn: Bool, limit: Int = Self.maximumLineBytes) {
        self.endsAtCarriageReturn = endsAtCarriageReturn
        self.limit = limit
    }

    /// The next line.
    /// - Parameter rest: the bytes that were read and not split yet. The call removes what it uses.
    /// - Returns: `nil` if `rest` is used up.
    mutating func next(from rest: inout ArraySlice<UInt8>) -> Line? {
        while !rest.isEmpty {
            guard let end = firstEnd(in: rest) else {
                let line = hold(rest)
                rest = []
                return line
            }
            let (part, byte) = (rest[..<end], rest[end])
            let isSecondHalf = lastEndWasReturn && byte == 0x0a && part.isEmpty && partial.isEmpty && !isSkipping
            lastEndWasReturn = endsAtCarriageReturn && byte == 0x0d
            rest = rest[(end + 1)...]
            if isSecondHalf { continue }
            if isSkipping {
                isSkipping = false
                continue
            }
            if let line = hold(part) {
                isSkipping = false
                return line
            }
            defer { partial.removeAll(keepingCapacity: true) }
            return Line(bytes: partial)
        }
        return nil
    }

    /// The last line, if it has no end.
    mutating func finish() -> Line? {
        defer { partial = [] }
        return partial.isEmpty ? nil : Line(bytes: partial)
    }

    /// Keeps a part of a line.
    /// - Returns: the line if it is too long. The rest of it is skipped.
    private mutating func hold(_ part: ArraySlice<UInt8>) -> Line? {
        guard !isSkipping else { return nil }
        partial.append(contentsOf: part.prefix(limit - partial.count + 1))
        mostBytesHeld = max(mostBytesHeld, partial.count)
        guard partial.count > limit else { return nil }
        defer { partial = [] }
        isSkipping = true
        return Line(bytes: Array(partial.prefix(limit)), isCut: true)
    }

    private func firstEnd(in bytes: ArraySlice<UInt8>) -> Int? {
        bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return nil }
            func offset(of byte: Int32, within count: Int) -> Int? {
                memchr(base, byte, count).map { UnsafeRawPointer($0) - base }
            }
            let feed = offset(of: 0x0a, within: buffer.count)
            let end = endsAtCarriageReturn ? offset(of: 0x0d, within: feed ?? buffer.count) ?? feed : feed
            return end.map { bytes.startIndex + $0 }
        }
    }
}
