/// The lines of the log that wait for their writer, as a value: bounded, with a count of the lines that found no room.
///
/// A count stands in the queue at the place of the lines that it counts, so the log tells of a hole where the hole is.
struct LogQueue: Sendable {
    enum Entry: Hashable, Sendable {
        case line(String)
        /// So many lines were dropped here.
        case dropped(Int)
    }

    /// Lines that wait: what the daemon logs in some seconds of trouble. Whoever reads the log catches up with them in milliseconds.
    static let lines = 4_096
    /// Bytes of these lines. One line is some 200 bytes, and one that repeats what a client sent up to 16 KB.
    static let bytes = 1_024 * 1_024

    private let mostLines: Int
    private let mostBytes: Int
    private var entries: [Entry] = []
    private var lineCount = 0
    private var byteCount = 0
    /// All lines that were dropped since the start.
    private(set) var dropped = 0

    init(mostLines: Int = Self.lines, mostBytes: Int = Self.bytes) {
        self.mostLines = mostLines
        self.mostBytes = mostBytes
    }

    var isEmpty: Bool { entries.isEmpty }

    /// Whether the next line is dropped, however short it is. Then nobody needs to format it.
    ///
    /// A quarter of the room is kept for urgent lines, so that an access log cannot push out the warnings and errors.
    func isFull(isUrgent: Bool) -> Bool {
        lineCount >= share(of: mostLines, isUrgent) || byteCount >= share(of: mostBytes, isUrgent)
    }

    /// Adds a line, or counts it as dropped if it does not fit.
    mutating func put(_ line: String, isUrgent: Bool = false) {
        let size = line.utf8.count
        guard lineCount < share(of: mostLines, isUrgent), size <= share(of: mostBytes, isUrgent) - byteCount else {
            return drop()
        }
        entries.append(.line(line))
        lineCount += 1
        byteCount += size
    }

    private func share(of most: Int, _ isUrgent: Bool) -> Int { isUrgent ? most : most * 3 / 4 }

    /// Counts a line that was not added.
    mutating func drop() {
        dropped += 1
        if case .dropped(let count) = entries.last {
            entries[entries.count - 1] = .dropped(count + 1)
        } else {
            entries.append(.dropped(1))
        }
    }

    /// Takes all that waits, in order.
    mutating func take() -> [Entry] {
        defer { (entries, lineCount, byteCount) = ([], 0, 0) }
        return entries
    }

    /// Counts what was taken and could not be written. The count comes first of all that waits.
    mutating func lost(_ unwritten: some Sequence<Entry>) {
        var count = 0
        for entry in unwritten {
            switch entry {
            case .line:
                count += 1
                dropped += 1
            case .dropped(let earlier):
                count += earlier
            }
        }
        guard count > 0 else { return }
        if case .dropped(let later) = entries.first {
            entries[0] = .dropped(count + later)
        } else {
            entries.insert(.dropped(count), at: 0)
        }
    }
}
