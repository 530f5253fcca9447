public import LongtakeCore
import Synchronization

/// Content that nothing keeps any more, and of which nobody has checked yet whether a row refers to
/// it. A ``DirectoryFileStore`` adds to it, and its ``ContentCleaner`` takes from it.
public final class ReleasedContent: Sendable {
    private struct State {
        var keys: Set<ContentKey> = []
        var isIncomplete = false
        var whenAdded: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())
    private let limit: Int

    /// - Parameter limit: more content than this is not remembered. Then all stored content must be
    ///   compared with the rows.
    public init(limit: Int = 10_000) { self.limit = limit }

    /// Adds content. It does not block.
    public func add(_ key: ContentKey) {
        let whenAdded = state.withLock { state in
            if state.keys.count < limit { state.keys.insert(key) } else { state.isIncomplete = true }
            return state.whenAdded
        }
        whenAdded?()
    }

    /// Calls `whenAdded` after each ``add(_:)``. There is one observer.
    func observe(_ whenAdded: @escaping @Sendable () -> Void) { state.withLock { $0.whenAdded = whenAdded } }

    /// Takes up to `count` entries.
    func take(_ count: Int) -> [ContentKey] {
        state.withLock { state in
            let keys = Array(state.keys.prefix(count))
            state.keys.subtract(keys)
            return keys
        }
    }

    /// Puts back what was not checked.
    func restore(_ keys: some Sequence<ContentKey>) { state.withLock { $0.keys.formUnion(keys) } }

    /// Whether content was forgotten since the last ``takeIncompleteness()``.
    var isIncomplete: Bool { state.withLock { $0.isIncomplete } }

    /// Whether content was forgotten since the last call.
    @discardableResult
    func takeIncompleteness() -> Bool {
        state.withLock { state in
            defer { state.isIncomplete = false }
            return state.isIncomplete
        }
    }
}
