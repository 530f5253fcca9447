import Dispatch
import Glibc
import Synchronization

/// Writes the logger's lines to a standard stream on a separate thread.
///
/// Logging never blocks. Lines wait in a ``LoggerBuffer``. If it is full, new lines are dropped and
/// counted. If the stream blocks, memory holds at most two full buffers: one that is being written
/// and one that waits.
final class LoggerOutput: Sendable {
    private struct State {
        var buffer = LoggerBuffer()
        /// Whether the thread waits for a signal.
        var isAsleep = true
        /// The semaphores of pending ``flush(within:)`` calls.
        var flushing: [DispatchSemaphore] = []

        /// - Returns: the semaphores of pending flushes, which the caller must signal.
        mutating func fallAsleep() -> [DispatchSemaphore] {
            defer { (isAsleep, flushing) = (true, []) }
            return flushing
        }
    }

    private let state = Mutex(State())
    private let wakeUp = DispatchSemaphore(value: 0)
    private let writeText: @Sendable (String) -> Bool
    private let notice: @Sendable (Int) -> String

    /// No more lines are added to a write that has reached this many bytes. 64 KiB is the usual
    /// capacity of a pipe.
    private static let chunk = 64 * 1_024

    /// - Parameters:
    ///   - writeText: writes a text and returns whether the stream accepted it. It may block.
    ///   - notice: makes the line, with its line feed, that says how many lines were dropped.
    init(writeText: @escaping @Sendable (String) -> Bool, notice: @escaping @Sendable (Int) -> String) {
        self.writeText = writeText
        self.notice = notice
        DetachedThread.start { self.run() }
    }

    /// The number of lines that were dropped since the start.
    var dropped: Int { state.withLock { $0.buffer.dropped } }

    /// Adds a line, which ends with a line feed. It never blocks.
    /// - Parameters:
    ///   - isUrgent: whether the line may use the space that is reserved for warnings and errors.
    ///   - line: formats the line. It is not called if the line would be dropped.
    func write(isUrgent: Bool, _ line: () -> String) {
        let isFull = state.withLock { state in
            let isFull = state.buffer.isFull(isUrgent: isUrgent)
            if isFull { state.buffer.drop() }
            return isFull
        }
        guard !isFull else { return }
        let line = line()
        wake { $0.buffer.append(line, isUrgent: isUrgent) }
    }

    /// Waits until all earlier lines are written or the stream has failed, but no longer than
    /// `limit`.
    func flush(within limit: Duration) {
        let written = DispatchSemaphore(value: 0)
        wake { $0.flushing.append(written) }
        _ = written.wait(timeout: .now() + .milliseconds(Int(limit / .milliseconds(1))))
    }

    /// Changes the state and wakes the thread if it sleeps.
    private func wake(_ change: (inout State) -> Void) {
        let wasAsleep = state.withLock { state in
            change(&state)
            defer { state.isAsleep = false }
            return state.isAsleep
        }
        if wasAsleep { wakeUp.signal() }
    }

    private func run() {
        while true {
            wakeUp.wait()
            while let batch = next() {
                let unwritten = write(batch)
                guard !unwritten.isEmpty else { continue }
                // The write failed, so its lines count as dropped. The next line causes a new
                // attempt.
                let waiting = state.withLock { state in
                    state.buffer.countUnwritten(unwritten)
                    return state.fallAsleep()
                }
                for waiter in waiting { waiter.signal() }
                break
            }
        }
    }

    /// The next lines to write; `nil` if there are none and the thread has to wait.
    private func next() -> [LoggerBuffer.Entry]? {
        let (batch, waiting) = state.withLock { state in
            let batch = state.buffer.takeAll()
            return (batch, batch.isEmpty ? state.fallAsleep() : [])
        }
        for waiter in waiting { waiter.signal() }
        return batch.isEmpty ? nil : batch
    }

    /// - Returns: the entries that the stream did not accept.
    private func write(_ batch: [LoggerBuffer.Entry]) -> ArraySlice<LoggerBuffer.Entry> {
        var rest = batch[...]
        while !rest.isEmpty {
            var text = ""
            var end = rest.startIndex
            while end < rest.endIndex, text.utf8.count < Self.chunk {
                switch rest[end] {
                case .line(let line): text += line
                case .dropped(let count): text += notice(count)
                }
                end += 1
            }
            guard writeText(text) else { return rest }
            rest = rest[end...]
        }
        return rest
    }
}

/// A bounded buffer of formatted log lines. It is a pure value.
///
/// It counts the lines that it drops. The count is an entry at the position of the missing lines,
/// so the output marks each gap where it is.
struct LoggerBuffer: Sendable {
    enum Entry: Hashable, Sendable {
        case line(String)
        /// This many lines were dropped here.
        case dropped(Int)
    }

    /// The maximum number of lines: what the daemon logs in some seconds during an outage. A
    /// healthy reader catches up in milliseconds.
    static let maxLines = 4_096
    /// The maximum size of these lines. A line has about 200 bytes, or up to 16 KB if it contains
    /// text from a client.
    static let maxBytes = 1_024 * 1_024

    private let maxLines: Int
    private let maxBytes: Int
    private var entries: [Entry] = []
    private var lineCount = 0
    private var byteCount = 0
    /// The number of lines that were dropped since the start.
    private(set) var dropped = 0

    init(maxLines: Int = Self.maxLines, maxBytes: Int = Self.maxBytes) {
        self.maxLines = maxLines
        self.maxBytes = maxBytes
    }

    var isEmpty: Bool { entries.isEmpty }

    /// Whether the next line would be dropped even if it were empty. Then the caller need not
    /// format it.
    ///
    /// A quarter of the space is reserved for urgent lines, so that an access log cannot displace
    /// warnings and errors.
    func isFull(isUrgent: Bool) -> Bool {
        lineCount >= share(of: maxLines, isUrgent) || byteCount >= share(of: maxBytes, isUrgent)
    }

    /// Adds a line, or counts it as dropped if it does not fit.
    mutating func append(_ line: String, isUrgent: Bool = false) {
        let size = line.utf8.count
        guard lineCount < share(of: maxLines, isUrgent), size <= share(of: maxBytes, isUrgent) - byteCount else {
            return drop()
        }
        entries.append(.line(line))
        lineCount += 1
        byteCount += size
    }

    private func share(of limit: Int, _ isUrgent: Bool) -> Int { isUrgent ? limit : limit * 3 / 4 }

    /// Counts a line that was not added.
    mutating func drop() {
        dropped += 1
        if case .dropped(let count) = entries.last {
            entries[entries.count - 1] = .dropped(count + 1)
        } else {
            entries.append(.dropped(1))
        }
    }

    /// Removes and returns all entries, in order.
    mutating func takeAll() -> [Entry] {
        defer { (entries, lineCount, byteCount) = ([], 0, 0) }
        return entries
    }

    /// Counts entries that were taken and could not be written as dropped. The count precedes all
    /// waiting entries.
    mutating func countUnwritten(_ unwritten: some Sequence<Entry>) {
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
