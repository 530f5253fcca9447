import Glibc

/// Finds the events in the bytes of an event stream. It copies only the beginning of a block whose
/// end has not arrived yet.
///
/// It searches only for the end of each block, the number after `"seq":`, and the time after that.
/// It skips bytes between blocks, so it reads streams with and without chunked transfer coding.
struct EventStreamParser {
    /// A block of the stream. Its pointers are valid only during the call.
    enum Block {
        /// The first block: the cursor from which the stream continues, and the last event of the
        /// event log. Both are `nil` if the server does not send `stream.hello`.
        case hello(cursor: UInt64?, head: UInt64?)
        /// `bytes` is the length of the whole block, with the size line of a chunk before it.
        case event(sequence: UInt64, at: UnsafeRawBufferPointer, bytes: Int)
        /// The server ends the stream (`stream.end`) or resets it (`stream.reset`); or an
        /// unexpected block.
        case control(String)
        /// A comment, `stream.heartbeat`, nchan's `ping`, or a block with only an `id:` line.
        case heartbeat
    }

    /// The status of the response; 0 before it has arrived.
    private(set) var status = 0
    private var isInHead = true
    private var hasHello = false
    /// The beginning of a block whose end has not arrived yet.
    private var partialBlock: [UInt8] = []

    /// Longer than every expected block.
    private static let maximumBlockBytes = 1 << 20

    /// Parses the next bytes of the stream.
    /// - Returns: `false` if this cannot be an event stream.
    mutating func feed(_ bytes: UnsafeRawBufferPointer, _ visit: (Block) -> Void) -> Bool {
        guard !partialBlock.isEmpty else {
            let used = consume(bytes, visit)
            partialBlock.append(contentsOf: bytes[used...])
            return status == 0 || status == 200
        }
        partialBlock.append(contentsOf: bytes)
        var whole: [UInt8] = []
        swap(&whole, &partialBlock)
        let used = whole.withUnsafeBytes { consume($0, visit) }
        whole.removeFirst(used)
        partialBlock = whole
        return (status == 0 || status == 200) && partialBlock.count < Self.maximumBlockBytes
    }

    /// - Returns: the number of bytes that belong to complete blocks.
    private mutating func consume(_ bytes: UnsafeRawBufferPointer, _ visit: (Block) -> Void) -> Int {
        var position = 0
        if isInHead {
            guard let end = bytes.index(of: "\r\n\r\n", from: 0) else { return 0 }
            status = bytes.number(at: 9)?.value.asInt ?? -1
            isInHead = false
            position = end + 4
        }
        while let end = bytes.index(of: "\n\n", from: position) {
            let block = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
            position = end + 2
            // Skips the CR LF that ends a chunk. Otherwise it would count as the beginning of the
            // next block, and the next read would have to be copied.
            if position + 2 <= bytes.count, bytes[position] == 0x0d, bytes[position + 1] == 0x0a { position += 2 }
            visit(read(block))
        }
        return position
    }

    private mutating func read(_ block: UnsafeRawBufferPointer) -> Block {
        if hasHello, let start = block.index(of: "\"seq\":", from: 0), let number = block.number(at: start + 6) {
            // `,"at":"2026-11-20T12:00:00.118Z"` follows.
            let time = number.end + 7
            guard time + 24 <= block.count else { return .control("an event has no time") }
            return .event(
                sequence: number.value, at: UnsafeRawBufferPointer(rebasing: block[time..<time + 24]),
                bytes: block.count + 2)
        }
        if !hasHello, block.index(of: "stream.end", from: 0) == nil {
            hasHello = true
            return .hello(cursor: block.idNumber(of: "\"cursor\":\""), head: block.idNumber(of: "\"head\":\""))
        }
        let text = String(decoding: block, as: UTF8.self)
        return Self.isHeartbeat(text) ? .heartbeat : .control(text)
    }

    private static func isHeartbeat(_ block: String) -> Bool {
        // The end or the size line of a chunk may precede the lines of the block. Both end with CR
        // LF.
        let lines = block.utf8.split(separator: 0x0a).filter { line in
            line.last != 0x0d || !line.dropLast().allSatisfy { Character(Unicode.Scalar($0)).isHexDigit }
        }
        .map { String(Substring($0)) }
        if lines.contains("data: {\"type\":\"stream.heartbeat\"}") { return true }
        // The heartbeat of nchan.
        if lines.contains("event: ping"), lines.allSatisfy({ $0.count < 12 }) { return true }
        return (!lines.isEmpty && lines.allSatisfy { $0.hasPrefix(":") })
            || (lines.count == 1 && lines[0].hasPrefix("id:"))
    }
}

extension UnsafeRawBufferPointer {
    /// The first position of `text` at or after `from`.
    fileprivate func index(of text: StaticString, from: Int) -> Int? {
        let length = text.utf8CodeUnitCount
        guard let base = baseAddress else { return nil }
        var start = from
        while start + length <= count,
            let found = memchr(base + start, Int32(text.utf8Start.pointee), count - start - length + 1)
        {
            if memcmp(found, text.utf8Start, length) == 0 { return UnsafeRawPointer(found) - base }
            start = UnsafeRawPointer(found) - base + 1
        }
        return nil
    }

    /// The number at `start`, and the position after its digits.
    fileprivate func number(at start: Int) -> (value: UInt64, end: Int)? {
        var (value, end): (UInt64, Int) = (0, start)
        while end < count, (0x30...0x39).contains(self[end]), value < 1 << 56 {
            value = value * 10 + UInt64(self[end] &- 0x30)
            end += 1
        }
        return end > start ? (value, end) : nil
    }

    /// The number of the event id that follows `name`: 7 in `"head":"da9459a2-7"`.
    fileprivate func idNumber(of name: StaticString) -> UInt64? {
        guard let start = index(of: name, from: 0)?.advanced(by: name.utf8CodeUnitCount), start < count,
            let dash = self[start..<Swift.min(count, start + 32)].firstIndex(of: UInt8(ascii: "-"))
        else { return nil }
        return number(at: dash + 1)?.value
    }
}

extension UInt64 {
    fileprivate var asInt: Int { Int(clamping: self) }
}
