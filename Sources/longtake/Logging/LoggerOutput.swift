import Dispatch
import Glibc
import Synchronization

/// Writes the log to a standard stream on a thread of its own.
///
/// Logging never blocks. Lines wait in a ``LogQueue``; if it is full, new lines are dropped and counted. If the stream blocks, memory holds at
/// most two full queues: one that is being written and one that waits.
final class LogWriter: Sendable {
    private struct State {
        var queue = LogQueue()
        /// Whether the thread waits to be woken.
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
    private let takes: @Sendable (String) -> Bool
    private let notice: @Sendable (Int) -> String

    /// When a write reaches this many bytes, no more lines are added to it. 64 KiB is a pipe's usual capacity.
    private static let chunk = 64 * 1_024

    /// - Parameters:
    ///   - takes: writes a text, and says whether the stream took it. It may block.
    ///   - notice: the line, with its line feed, that tells how many lines were dropped.
    init(taking takes: @escaping @Sendable (String) -> Bool, notice: @escaping @Sendable (Int) -> String) {
        self.takes = takes
        self.notice = notice
        DetachedThread.start { self.run() }
    }

    /// All lines that were dropped since the start.
    var dropped: Int { state.withLock { $0.queue.dropped } }

    /// Adds a line, which ends with a line feed. It never blocks.
    /// - Parameters:
    ///   - isUrgent: whether the line may use the room that is kept for warnings and errors.
    ///   - line: not called when there is no room for it.
    func write(isUrgent: Bool, _ line: () -> String) {
        let isFull = state.withLock { state in
            let isFull = state.queue.isFull(isUrgent: isUrgent)
            if isFull { state.queue.drop() }
            return isFull
        }
        guard !isFull else { return }
        let line = line()
        wake { $0.queue.put(line, isUrgent: isUrgent) }
    }

    /// Waits until all that was logged before is written, or the stream has refused it; `limit` at the most.
    func flush(within limit: Duration) {
        let written = DispatchSemaphore(value: 0)
        wake { $0.flushing.append(written) }
        _ = written.wait(timeout: .now() + .milliseconds(Int(limit / .milliseconds(1))))
    }

    /// Changes the state, and wakes the thread if it sleeps.
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
                // The write failed, so its lines count as dropped. The next logged line triggers a new attempt.
                let waiting = state.withLock { state in
                    state.queue.lost(unwritten)
                    return state.fallAsleep()
                }
                for waiter in waiting { waiter.signal() }
                break
            }
        }
    }

    /// The lines to write next; `nil` if there are none, and then the thread has to wait.
    private func next() -> [LogQueue.Entry]? {
        let (batch, waiting) = state.withLock { state in
            let batch = state.queue.take()
            return (batch, batch.isEmpty ? state.fallAsleep() : [])
        }
        for waiter in waiting { waiter.signal() }
        return batch.isEmpty ? nil : batch
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
            guard takes(text) else { return rest }
            rest = rest[end...]
        }
        return rest
    }
}
