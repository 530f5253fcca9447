import Glibc

/// Simulates the disk after a power cut: all synced data, and any part of the rest in any order.
///
/// The shim records every write to the database and its WAL with the previous content. The
/// simulation undoes all writes that no sync made durable. Then it redoes each sector with a
/// probability of one half. So writes are lost, torn or reordered, as on a disk with a cache.
package struct PowerCut {
    private enum Kind: UInt64 {
        case write = 1
        case truncation, sync
    }

    private struct Note {
        let kind: Kind
        let file: UInt64
        let offset: Int
        let oldSize: Int
        let old: [UInt8]
        let new: [UInt8]
    }

    private var notes: [Note] = []
    /// The number of writes that no sync had made durable.
    package var atStake: Int { notes.count }
    private static let sector = 512
    private static let head = 48

    struct Unreadable: Error { let what: String }

    init(notes path: String) throws {
        var bytes = try Self.contents(of: path)[...]
        // The last record may be incomplete. Then the process died while it wrote the record, and
        // so before it wrote to the database.
        while bytes.count >= Self.head {
            let words = (0..<6).map { word in
                (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[bytes.startIndex + word * 8 + $1]) << (8 * UInt64($1)) }
            }
            guard let kind = Kind(rawValue: words[0]) else { throw Unreadable(what: "a note of kind \(words[0])") }
            let (old, new) = (Int(words[4]), Int(words[5]))
            guard bytes.count >= Self.head + old + new else { break }
            let body = bytes.dropFirst(Self.head)
            notes.append(
                Note(
                    kind: kind, file: words[1], offset: Int(words[2]), oldSize: Int(words[3]),
                    old: Array(body.prefix(old)), new: Array(body.dropFirst(old).prefix(new))))
            bytes = body.dropFirst(old + new)
        }
        var unsynced: [Note] = []
        for note in notes {
            if note.kind == .sync { unsynced.removeAll { $0.file == note.file } } else { unsynced.append(note) }
        }
        notes = unsynced
    }

    func perform(on data: String, using generator: inout some RandomNumberGenerator) throws {
        for (file, name) in [(UInt64(1), "longtake.db"), (2, "longtake.db-wal")] {
            let mine = notes.filter { $0.file == file }
            guard !mine.isEmpty else { continue }
            let descriptor = open(data + "/" + name, O_RDWR | O_CLOEXEC)
            guard descriptor >= 0 else { throw Unreadable(what: name) }
            defer { close(descriptor) }
            for note in mine.reversed() { try undo(note, descriptor) }
            // The percentage of the remaining writes that reached the disk: none, all, or some.
            let share = [0, 100, Int.random(in: 1...99, using: &generator)].randomElement(using: &generator) ?? 0
            for note in mine { try redo(note, share, descriptor, &generator) }
        }
        // This file is shared memory, which does not survive a power cut.
        unlink(data + "/longtake.db-shm")
    }

    private func undo(_ note: Note, _ descriptor: CInt) throws {
        try write(note.old[...], at: note.offset, descriptor)
        guard ftruncate(descriptor, note.oldSize) == 0 else { throw Unreadable(what: "truncation") }
    }

    private func redo(
        _ note: Note, _ share: Int, _ descriptor: CInt, _ generator: inout some RandomNumberGenerator
    ) throws {
        if note.kind == .truncation {
            guard Int.random(in: 0..<100, using: &generator) < share else { return }
            guard ftruncate(descriptor, note.offset) == 0 else { throw Unreadable(what: "truncation") }
            return
        }
        var start = 0
        while start < note.new.count {
            let end = min(note.new.count, (note.offset + start) / Self.sector * Self.sector + Self.sector - note.offset)
            if Int.random(in: 0..<100, using: &generator) < share {
                try write(note.new[start..<end], at: note.offset + start, descriptor)
            }
            start = end
        }
    }

    private func write(_ bytes: ArraySlice<UInt8>, at offset: Int, _ descriptor: CInt) throws {
        guard !bytes.isEmpty else { return }
        let done = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, offset) }
        guard done == bytes.count else { throw Unreadable(what: "writing \(bytes.count) bytes") }
    }

    private static func contents(of path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        // The file does not exist if nothing was ever written to it.
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            all += buffer[..<count]
        }
        return all
    }
}
