import LongtakeCore
import Synchronization

/// What the journal has made durable since the start. One lock a commit, which only a scrape ever contends for.
final class CommitCounts: Sendable {
    struct Values: Sendable {
        /// Transactions that had events.
        var commits = 0
        var events: [EventType: Int] = [:]
    }

    private let state = Mutex(Values())

    var values: Values { state.withLock { $0 } }

    func count(_ notice: TailNotice) {
        guard case .events(let events) = notice.news else { return }
        state.withLock { values in
            values.commits += 1
            for event in events { values.events[event.type, default: 0] += 1 }
        }
    }
}
