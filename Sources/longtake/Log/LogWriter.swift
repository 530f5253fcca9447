import Dispatch
import Glibc
import Synchronization

/// Writes the log to a standard stream on a thread of its own.
///
/// Nobody who logs ever waits for the reader of that stream: lines wait in a ``LogQueue``, and lines that find no room there are dropped and
/// counted. While the reader does not read, at most one batch is with the thread and one queue of the same size waits behind it.
final class LogWriter: Sendable {
    private struct State {
        var queue = LogQueue()
        /// Whether the thread has a batch that is not written yet.
        var isWriting = false
        var flushing: [DispatchSemaphore] = []
    }

    private let state = Mutex(State())
    private let wakeUp = DispatchSemaphore(value: 0)
    private let stream: StandardStreams
    private let notice: @Sendable (Int) -> String

    /// Bytes of one write: a pipe's usual capacity.
    private static let chunk = 64 * 1_024

    /// - Parameter notice: the line, with its line feed, that tells how many lines were dropped.
    init(to stream: StandardStreams, notice: @escaping @Sendable (Int) -> String) {
        self.stream = stream
        self.notice = notice
        DetachedThread.start { self.run() }
    }

    /// All lines that were dropped since the start.
    var dropped: Int { state.withLock { $0.queue.dropped } }

    /// Adds a line, which ends with a line feed. It never blocks.
    /// - Parameter line: not called when the queue is full.
    func write(_ line: () -> String) {
        let isFull = state.withLock { state in
            if state.queue.isFull { state.queue.drop() }
            return state.queue.isFull
        }
        guard !isFull else { return }
        let line = line()
        let isFirst = state.withLock { state in
            defer { state.queue.put(line) }
            return state.queue.isEmpty && !state.isWriting
        }
        if isFirst { wakeUp.signal() }
    }

    /// Waits until all that was logged before is written, `limit` at the most.
    func flush(within limit: Duration) {
        let written = DispatchSemaphore(value: 0)
        let isWritten = state.withLock { state in
            let isWritten = state.queue.isEmpty && !state.isWriting
            if !isWritten { state.flushing.append(written) }
            return isWritten
        }
        if !isWritten { _ = written.wait(timeout: .now() + .milliseconds(Int(limit / .milliseconds(1)))) }
    }

    private func run() {
        while true {
            wakeUp.wait()
            while let batch = next() {
                let unwritten = write(batch)
                state.withLock { $0.queue.lost(unwritten) }
                // A stream that takes nothing is tried again with the next line.
                if !unwritten.isEmpty { break }
            }
            let flushing = state.withLock { state in
                defer { (state.isWriting, state.flushing) = (false, []) }
                return state.flushing
            }
            for waiter in flushing { waiter.signal() }
        }
    }

    private func next() -> [LogQueue.Entry]? {
        state.withLock { state in
            state.isWriting = !state.queue.isEmpty
            return state.isWriting ? state.queue.take() : nil
        }
    }

    /// - Returns: the entries that the stream did not take.
    private func write(_ batch: [LogQueue.Entry]) -> ArraySlice<LogQueue.Entry> {
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
            guard stream.takes(text) else { return rest }
            rest = rest[end...]
        }
        return rest
    }
}
