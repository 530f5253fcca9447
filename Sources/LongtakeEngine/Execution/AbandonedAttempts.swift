import Synchronization

/// How many attempts went on without their runner since the start, because it did not stop when it was told to.
final class AbandonedAttempts: Sendable {
    private let total = Atomic(0)

    var count: Int { total.load(ordering: .relaxed) }

    func add() { total.add(1, ordering: .relaxed) }
}
