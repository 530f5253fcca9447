import Synchronization

/// A clock that stands still until a test advances it.
public final class TestClock: Clock, Sendable {
    public struct Instant: InstantProtocol, Hashable, Sendable {
        /// The time since the clock was created.
        public let offset: Duration

        public func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        public func duration(to other: Instant) -> Duration { other.offset - offset }
        public static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private struct State {
        var now = Instant(offset: .zero)
        var nextID = 0
        var sleepers: [Int: (deadline: Instant, wake: CheckedContinuation<Void, any Error>)] = [:]
        /// The sleeps whose task was cancelled before they were registered.
        var canceled: Set<Int> = []
        var isClosed = false
        var watchers: [(isMet: @Sendable ([Instant]) -> Bool, resume: CheckedContinuation<Void, Never>)] = []

        /// Removes and returns the watchers whose condition is met.
        mutating func takeMetWatchers() -> [CheckedContinuation<Void, Never>] {
            let deadlines = sleepers.values.map(\.deadline)
            let met = watchers.filter { $0.isMet(deadlines) }.map(\.resume)
            watchers.removeAll { $0.isMet(deadlines) }
            return met
        }
    }

    private let state = Mutex(State())

    public init() {}

    public var now: Instant { state.withLock { $0.now } }
    public var minimumResolution: Duration { .nanoseconds(1) }

    public func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                register(id, until: deadline, continuation)
            }
        } onCancel: {
            cancel(id)
        }
    }

    /// Advances the time, and resumes the sleeps that are due, the earliest first.
    public func advance(by duration: Duration) {
        let woken = state.withLock { state in
            state.now = state.now.advanced(by: duration)
            let due = state.sleepers.filter { $0.value.deadline <= state.now }
            for id in due.keys { state.sleepers[id] = nil }
            return due.sorted { ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key) }.map(\.value.wake)
        }
        for sleeper in woken { sleeper.resume() }
    }

    /// Returns as soon as at least `count` tasks sleep on this clock.
    public func sleepers(_ count: Int) async {
        await watch { $0.count >= count }
    }

    /// Returns as soon as some task sleeps until exactly `duration` from now.
    public func sleeper(dueIn duration: Duration) async {
        let deadline = now.advanced(by: duration)
        await watch { $0.contains(deadline) }
    }

    /// The deadline of the next sleeping task; `nil` if no task sleeps.
    public var nextDeadline: Instant? { state.withLock { $0.sleepers.values.map(\.deadline).min() } }

    /// Ends all current and later sleeps with `CancellationError`.
    public func close() {
        let woken = state.withLock { state in
            defer { (state.isClosed, state.sleepers) = (true, [:]) }
            return state.sleepers.sorted { $0.key < $1.key }.map(\.value.wake)
        }
        for sleeper in woken { sleeper.resume(throwing: CancellationError()) }
    }

    private func watch(_ isMet: @escaping @Sendable ([Instant]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let met = state.withLock { state in
                state.watchers.append((isMet, continuation))
                return state.takeMetWatchers()
            }
            for watcher in met { watcher.resume() }
        }
    }

    private func register(_ id: Int, until deadline: Instant, _ continuation: CheckedContinuation<Void, any Error>) {
        enum Sleep {
            case over, canceled
            case sleeping([CheckedContinuation<Void, Never>])
        }
        let sleep: Sleep = state.withLock { state in
            if state.canceled.remove(id) != nil || state.isClosed { return .canceled }
            if deadline <= state.now { return .over }
            state.sleepers[id] = (deadline, continuation)
            return .sleeping(state.takeMetWatchers())
        }
        switch sleep {
        case .over: continuation.resume()
        case .canceled: continuation.resume(throwing: CancellationError())
        case .sleeping(let met): for watcher in met { watcher.resume() }
        }
    }

    private func cancel(_ id: Int) {
        let sleeper = state.withLock { state in
            let sleeper = state.sleepers.removeValue(forKey: id)
            if sleeper == nil { state.canceled.insert(id) }
            return sleeper
        }
        sleeper?.wake.resume(throwing: CancellationError())
    }
}
