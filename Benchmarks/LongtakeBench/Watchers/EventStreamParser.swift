import Glibc

/// Finds the events in the bytes of a stream, without copying or allocating anything but the rest of a block that a read split.
///
/// It looks for no more than it needs: the end of a block, the number behind `"seq":`, and the time that follows. What stands between
/// blocks is passed over, so it reads chunked and unchunked streams alike.
struct EventScanner {
    /// A block of the stream. What it points to is gone after the call.
    enum Block {
        /// The first words: which cursor is honoured, and where the log ends. A server without such words has neither.
        case hello(cursor: UInt64?, head: UInt64?)
        /// `bytes` counts the whole block, with what a chunked stream puts before it.
        case event(sequence: UInt64, at: UnsafeRawBufferPointer, bytes: Int)
        /// The server ends the stream (`stream.end`) or starts it anew (`stream.reset`), and says why; or a block that nobody expects.
        case control(String)
        /// A comment, `stream.heartbeat`, nchan's `ping`, or a block that is only an `id:` line.
        case heartbeat
    }

    /// The status of the answer; 0 before it is there.
    private(set) var status = 0
    private var isInHead = true
    private var isGreeted = false
    /// The begin of a block that the last read split.
    private var carry: [UInt8] = []

    /// No block that we expect is longer.
    private static let carryMost = 1 << 20

    /// Reads on.
    /// - Returns: `false` where this cannot be a stream of events.
    mutating func feed(_ bytes: UnsafeRawBufferPointer, _ visit: (Block) -> Void) -> Bool {
        guard !carry.isEmpty else {
            let used = consume(bytes, visit)
            carry.append(contentsOf: bytes[used...])
            return status == 0 || status == 200
        }
        carry.append(contentsOf: bytes)
        var whole: [UInt8] = []
        swap(&whole, &carry)
        let used = whole.withUnsafeBytes { consume($0, visit) }
        whole.removeFirst(used)
        carry = whole
        return (status == 0 || status == 200) && carry.count < Self.carryMost
    }

    /// - Returns: how many bytes belong to complete blocks.
    private mutating func consume(_ bytes: UnsafeRawBufferPointer, _ visit: (Block) -> Void) -> Int {
        var position = 0
        if isInHead {
            guard let end = bytes.place(of: "\r\n\r\n", from: 0) else { return 0 }
            status = bytes.number(at: 9)?.value.asInt ?? -1
            isInHead = false
            position = end + 4
        }
        while let end = bytes.place(of: "\n\n", from: position) {
            let block = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
            position = end + 2
            // What ends a chunk is taken with it: as the beginning of the next block it would be kept and put before all of that.
            if position + 2 <= bytes.count, bytes[position] == 0x0d, bytes[position + 1] == 0x0a { position += 2 }
            visit(read(block))
        }
        return position
    }

    private mutating func read(_ block: UnsafeRawBufferPointer) -> Block {
        if isGreeted, let place = block.place(of: "\"seq\":", from: 0), let number = block.number(at: place + 6) {
            // `,"at":"2026-11-20T12:00:00.118Z"` follows.
            let time = number.end + 7
            guard time + 24 <= block.count else { return .control("an event without a time") }
            return .event(
                sequence: number.value, at: UnsafeRawBufferPointer(rebasing: block[time..<time + 24]),
                bytes: block.count + 2)
        }
        if !isGreeted, block.place(of: "stream.end", from: 0) == nil {
            isGreeted = true
            return .hello(cursor: block.idNumber(of: "\"cursor\":\""), head: block.idNumber(of: "\"head\":\""))
        }
        let text = String(decoding: block, as: UTF8.self)
        return Self.isHeartbeat(text) ? .heartbeat : .control(text)
    }

    private static func isHeartbeat(_ block: String) -> Bool {
        // An empty line or a chunk's length, each ended as HTTP does, may stand before the block's own lines.
        let lines = block.utf8.split(separator: 0x0a).filter { line in
            line.last != 0x0d || !line.dropLast().allSatisfy { Character(Unicode.Scalar($0)).isHexDigit }
        }
        .map { String(Substring($0)) }
        if lines.contains("data: {\"type\":\"stream.heartbeat\"}") { return true }
        // What nchan says when nothing happens.
        if lines.contains("event: ping"), lines.allSatisfy({ $0.count < 12 }) { return true }
        return (!lines.isEmpty && lines.allSatisfy { $0.hasPrefix(":") })
            || (lines.count == 1 && lines[0].hasPrefix("id:"))
    }
}

extension UnsafeRawBufferPointer {
    /// Where `text` stands first, at `from` or behind.
    fileprivate func place(of text: StaticString, from: Int) -> Int? {
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

    /// The digits at `start`, and where they end.
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
        guard let start = place(of: name, from: 0)?.advanced(by: name.utf8CodeUnitCount), start < count,
            let dash = self[start..<Swift.min(count, start + 32)].firstIndex(of: UInt8(ascii: "-"))
        else { return nil }
        return number(at: dash + 1)?.value
    }
}

extension UInt64 {
    fileprivate var asInt: Int { Int(clamping: self) }
}
