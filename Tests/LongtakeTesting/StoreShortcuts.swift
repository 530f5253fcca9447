public import LongtakeCore

extension WorkStore {
    /// Claims for the holder of this process.
    public func claim(queue: QueueName, limit: Int) async throws -> ClaimResult {
        try await claim(queue: queue, limit: limit, for: holder)
    }
}

extension EventLog {
    /// Observes the events of each notice that contains events.
    public func observeEvents(_ observer: @escaping @Sendable ([CommittedEvent]) -> Void) {
        tail { notice in
            if case .events(let events) = notice.news { observer(events) }
        }
    }
}
