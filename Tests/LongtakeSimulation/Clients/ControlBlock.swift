/// A block of a stream that is not an event of the event log.
enum ControlBlock {
    case heartbeat
    case end
    /// An id without an event. It moves the reader's cursor.
    case cursorMoved(Int64)

    /// Parses the block at the beginning of `bytes`; `nil` if it is none of these.
    init?(_ bytes: inout Slice<UnsafeRawBufferPointer>) {
        let text = String(decoding: bytes, as: UTF8.self)
        let block = text.split(separator: "\n\n", maxSplits: 1, omittingEmptySubsequences: false)[0]
        if block == ": hb" {
            self = .heartbeat
        } else if block.hasPrefix("retry: "), block.contains("\nevent: stream.end\n") {
            self = .end
        } else if block.hasPrefix("id: "), !block.contains("\n"), let mark = block.lastIndex(of: "g"),
            let position = Int64(block[block.index(after: mark)...])
        {
            self = .cursorMoved(position)
        } else {
            return nil
        }
        bytes = bytes.dropFirst(block.utf8.count + 2)
    }
}
