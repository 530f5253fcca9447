import Glibc
import LongtakeCore

/// The files of the log of one stage: `<attempt>.<offset>.log`, where `offset` is the number of
/// bytes that the attempt wrote before the file.
///
/// There are at most two files of half the limit each. If both are full, the older one is removed,
/// and the beginning of the other one is overwritten with a line that says so. So the offsets of
/// the text that is left do not change. No file stays open.
struct LogSegments {
    private struct Segment {
        let start: Int64
        var length: Int64
    }

    let directory: String
    private(set) var attempt: Int
    private let segmentBytes: Int64
    private var segments: [Segment] = []

    /// Finds the files of the newest attempt.
    /// - Parameter attempt: the attempt to continue or to begin. `nil` only reads.
    /// - Returns: `nil` if there is nothing to read.
    init?(directory: String, attempt: Int?, limit: Int64) {
        self.directory = directory
        segmentBytes = limit / 2
        var found: [Int: [Int64]] = [:]
        for name in DirectoryTree.names(in: directory) {
            let parts = name.split(separator: ".")
            guard parts.count == 3, let number = Int(parts[0]), let start = Int64(parts[1]) else { continue }
            found[number, default: []].append(start)
        }
        guard let newest = attempt ?? found.keys.max() else { return nil }
        self.attempt = newest
        for start in (found[newest] ?? []).sorted() {
            var status = stat()
            guard stat(path(start), &status) == 0 else { continue }
            segments.append(Segment(start: start, length: Int64(status.st_size)))
        }
        guard attempt != nil else { return }
        for (number, starts) in found where number != newest {
            for start in starts { unlink("\(directory)/\(number).\(start).log") }
        }
    }

    /// The offset of the first byte that is kept.
    var start: Int64 { segments.first?.start ?? 0 }
    /// The number of bytes that the attempt has written.
    var end: Int64 { segments.last.map { $0.start + $0.length } ?? 0 }

    /// Appends text, which may remove older text.
    mutating func append(_ text: [UInt8]) throws(SystemFailure) {
        var rest = text[...]
        while !rest.isEmpty {
            if segments.isEmpty || segments[segments.count - 1].length >= segmentBytes { try beginSegment() }
            let last = segments.count - 1
            var part = rest.prefix(Int(segmentBytes - segments[last].length))
            // A file ends with a whole line if the text has one.
            if part.count < rest.count, let end = part.lastIndex(of: 0x0a) { part = part[...end] }
            try write(part, to: path(segments[last].start), at: segments[last].length)
            segments[last].length += Int64(part.count)
            rest = rest[part.endIndex...]
            if !rest.isEmpty { try beginSegment() }
        }
    }

    /// The kept text from an offset on, at most `limit` bytes.
    func read(from offset: Int64, limit: Int) -> (text: [UInt8], offset: Int64) {
        let from = min(max(offset, start), end)
        var (text, position) = ([UInt8](), from)
        for segment in segments where position < segment.start + segment.length && text.count < limit {
            let count = min(Int(segment.start + segment.length - position), limit - text.count)
            let part = read(path(segment.start), at: position - segment.start, count: count)
            text += part
            position += Int64(part.count)
            if part.count < count { break }
        }
        return (text, from)
    }

    private func path(_ start: Int64) -> String { "\(directory)/\(attempt).\(start).log" }

    private mutating func beginSegment() throws(SystemFailure) {
        let start = end
        segments.append(Segment(start: start, length: 0))
        guard segments.count > 2 else { return }
        let oldest = segments.removeFirst()
        unlink(path(oldest.start))
        try markBeginning()
    }

    /// Overwrites the first lines of the oldest file with a line that says what is missing.
    private func markBeginning() throws(SystemFailure) {
        let oldest = segments[0]
        var notice = Array("[\(oldest.start) bytes of older output were dropped]".utf8)
        let beginning = read(path(oldest.start), at: 0, count: Int(min(oldest.length, 4 * 65_536)))
        guard beginning.count > notice.count else { return }
        let end = beginning[notice.count...].firstIndex(of: 0x0a) ?? beginning.count - 1
        notice += repeatElement(UInt8(ascii: " "), count: end - notice.count)
        try write(notice[...] + [0x0a], to: path(oldest.start), at: 0)
    }

    private func write(_ bytes: ArraySlice<UInt8>, to path: String, at offset: Int64) throws(SystemFailure) {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw SystemFailure(action: "open a log", code: errno) }
        defer { close(file) }
        var (rest, position) = (bytes, offset)
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, off_t(position)) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw SystemFailure(action: "write a log", code: errno) }
            rest = rest.dropFirst(count)
            position += Int64(count)
        }
    }

    private func read(_ path: String, at offset: Int64, count: Int) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return [] }
        defer { close(file) }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
            while used < count {
                let part = pread(file, buffer.baseAddress.map { $0 + used }, count - used, off_t(offset) + off_t(used))
                if part < 0 && errno == EINTR { continue }
                guard part > 0 else { return }
                used += part
            }
        }
    }
}
