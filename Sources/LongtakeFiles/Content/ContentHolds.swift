import LongtakeCore
import Synchronization

/// Who keeps which content, and who holds its lock: the pure part of ``ContentHolds``.
///
/// Any number of objects can keep the same content. Its lock has one owner; the others wait in
/// order. Only the owner of the lock may begin to keep the content. So if a removal has the lock
/// and finds that nothing keeps the content, this stays true until the removal has ended.
struct ContentTable<Waiter> {
    private struct Entry {
        var keeps = 0
        var isLocked = false
        var waiters: [Waiter] = []
    }

    /// Content that is neither kept nor locked has no entry.
    private var entries: [ContentKey: Entry] = [:]

    var isEmpty: Bool { entries.isEmpty }

    func isKept(_ key: ContentKey) -> Bool { entries[key].map { $0.keeps > 0 } ?? false }

    /// The number of waiters for the lock.
    func waiting(for key: ContentKey) -> Int { entries[key]?.waiters.count ?? 0 }

    /// - Returns: the waiter if it has the lock now; `nil` if it must wait for ``unlock(_:)``.
    mutating func lock(_ key: ContentKey, for waiter: Waiter) -> Waiter? {
        guard entries[key]?.isLocked != true else {
            entries[key]?.waiters.append(waiter)
            return nil
        }
        entries[key, default: Entry()].isLocked = true
        return waiter
    }

    /// - Returns: the waiter that has the lock now.
    mutating func unlock(_ key: ContentKey) -> Waiter? {
        guard var entry = entries[key], entry.isLocked else { preconditionFailure("only the owner unlocks") }
        let next = entry.waiters.isEmpty ? nil : entry.waiters.removeFirst()
        entry.isLocked = next != nil
        entries[key] = entry.isLocked || entry.keeps > 0 ? entry : nil
        return next
    }

    /// Called by the owner of the lock.
    mutating func keep(_ key: ContentKey) {
        precondition(entries[key]?.isLocked == true, "content is kept under its lock")
        entries[key]?.keeps += 1
    }

    /// - Returns: whether nothing keeps the content any more.
    mutating func release(_ key: ContentKey) -> Bool {
        guard var entry = entries[key], entry.keeps > 0 else { preconditionFailure("only kept content is released") }
        entry.keeps -= 1
        entries[key] = entry.isLocked || entry.keeps > 0 ? entry : nil
        return entry.keeps == 0
    }
}

/// The keeps and the locks of content of one store.
final class ContentHolds: Sendable {
    private let table = Mutex(ContentTable<CheckedContinuation<Void, Never>>())
    private let whenReleased: @Sendable (ContentKey) -> Void

    init(whenReleased: @escaping @Sendable (ContentKey) -> Void) { self.whenReleased = whenReleased }

    /// Runs `body` while nobody else has the lock of the content.
    func withLock<Value, Failure: Error>(
        _ key: ContentKey, _ body: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        await withCheckedContinuation { waiter in
            table.withLock { $0.lock(key, for: waiter) }?.resume()
        }
        defer { table.withLock { $0.unlock(key) }?.resume() }
        return try await body()
    }

    /// Called by the owner of the lock.
    func keep(_ key: ContentKey, _ bytes: Int64, head: [UInt8]) -> HeldContent {
        table.withLock { $0.keep(key) }
        return HeldContent(key, bytes, head: head, in: self)
    }

    func isKept(_ key: ContentKey) -> Bool { table.withLock { $0.isKept(key) } }

    /// The number of callers that wait for the lock of the content.
    func waiting(for key: ContentKey) -> Int { table.withLock { $0.waiting(for: key) } }

    var isEmpty: Bool { table.withLock { $0.isEmpty } }

    fileprivate func release(_ key: ContentKey) {
        guard table.withLock({ $0.release(key) }) else { return }
        whenReleased(key)
    }

    /// Tells the observer about content that nothing keeps and that may have no row.
    func abandon(_ key: ContentKey) { whenReleased(key) }
}

/// Content that is kept until this object goes away.
final class HeldContent: KeptContent {
    let content: Content
    let head: [UInt8]
    private let key: ContentKey
    private let holds: ContentHolds

    /// Bytes from which the media type is found.
    static let headBytes = 4096

    fileprivate init(_ key: ContentKey, _ bytes: Int64, head: [UInt8], in holds: ContentHolds) {
        content = Content(hash: key.hash, bytes: bytes)
        self.head = head
        self.key = key
        self.holds = holds
    }

    deinit { holds.release(key) }
}
