import Glibc
import Synchronization

/// Threads that work until they are told to stop.
package final class Crew: Sendable {
    private struct State {
        var working = 0
        var isStopped = false
    }

    private let state = Mutex(State())

    package init() {}

    package var isStopped: Bool { state.withLock { $0.isStopped } }

    package func run(_ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.working += 1 }
        BlockingThread.run {
            body()
            self.state.withLock { $0.working -= 1 }
        }
    }

    /// Whether it was told to stop, and all have.
    package var isGone: Bool { state.withLock { $0.isStopped && $0.working == 0 } }

    package func stop() { state.withLock { $0.isStopped = true } }

    /// - Returns: whether all have ended within the time.
    package func wait(_ deadline: Deadline) -> Bool {
        while state.withLock({ $0.working }) > 0 {
            if deadline.isOver { return false }
            poll(nil, 0, 10)
        }
        return true
    }
}
