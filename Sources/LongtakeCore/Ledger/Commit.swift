/// The changes of one transaction, for the observers of a store. The store collects them while it
/// writes.
package struct Commit: Sendable {
    /// In commit order. Events of one job have consecutive numbers.
    package private(set) var events: [CommittedEvent] = []
    package private(set) var work = WorkNotice()

    package init() {}

    package var isEmpty: Bool { events.isEmpty && work.isEmpty }

    package mutating func add(_ event: CommittedEvent) {
        events.append(event)
        if event.type.isFinal {
            work.ended.append(event.job)
        } else if event.type == .jobCancelRequested {
            work.canceling.append(event.job)
        }
    }

    /// - Parameter isPaused: whether a queue is paused. Workers of a paused queue are not woken.
    package mutating func add(_ wake: LedgerPlan.Wake, isPaused: (QueueName) -> Bool) {
        switch wake {
        case .nobody: break
        case .ready(let queue): if !isPaused(queue) { work.readyQueues.insert(queue) }
        case .later(let queue, let due):
            work.delayedQueues[queue] = min(due, work.delayedQueues[queue] ?? due)
        }
    }
}
