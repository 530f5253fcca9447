import NIOCore
import Synchronization

/// Publishes sample events at a steady rate, and tells the watchers' board when each left. Runs on the watchers' loop.
final class EventPublisher: Sendable {
    private let port: Int
    private let rate: Double
    private let sample: SampleEvent
    private let isStopped = Atomic(false)

    init(port: Int, rate: Double, sample: SampleEvent) {
        self.port = port
        self.rate = rate
        self.sample = sample
    }

    func begin(for group: WatcherGroup) async throws {
        let connection = try await RequestConnection.open(port: port, on: WatcherGroup.loop)
        WatcherGroup.loop.execute { self.publish(1, at: .now(), on: connection, for: group) }
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// Publishes one event, and plans the next by its due time, so that lateness does not add up.
    private func publish(
        _ sequence: UInt64, at due: NIODeadline, on connection: RequestConnection, for group: WatcherGroup
    ) {
        guard !isStopped.load(ordering: .relaxed) else { return }
        let now = WallTime.microseconds()
        let request = RequestConnection.post(
            "/pub", sample.json(sequence, at: now), fields: "X-EventSource-Event: stage.progress\r\n")
        group.onLoop { $0.published(sequence, now) }
        connection.send(request).whenComplete { result in
            guard !self.isStopped.load(ordering: .relaxed) else { return }
            switch result {
            case .success(let answer) where (200..<300).contains(answer.status): break
            case .success(let answer): group.onLoop { $0.failed("a publication was answered with \(answer.status)") }
            case .failure(let error): group.onLoop { $0.failed("a publication failed: \(error)") }
            }
        }
        let next = due + .nanoseconds(Int64(1e9 / rate))
        WatcherGroup.loop.scheduleTask(deadline: next) {
            self.publish(sequence + 1, at: next, on: connection, for: group)
        }
    }
}
