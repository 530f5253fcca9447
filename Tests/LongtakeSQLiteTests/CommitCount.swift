import Synchronization
import Testing

/// Counts the commits that an observer gets.
final class CommitCount: Sendable {
    private let count = Mutex(0)
    var value: Int { count.withLock { $0 } }
    func add() { count.withLock { $0 += 1 } }
}

extension Issue {
    static func fatal(_ text: String) { record("the disk failed: \(text)") }
}
