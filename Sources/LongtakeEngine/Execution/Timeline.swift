/// Time since a moment, on whichever clock was injected.
///
/// An `any Clock<Duration>` can sleep, but its instants have no type that could be kept; this keeps one where its type is known.
struct Timeline: Sendable {
    private let elapsedNow: @Sendable () -> Duration
    private let sleepUntil: @Sendable (Duration) async throws -> Void

    /// Begins now.
    init(on clock: any Clock<Duration>) {
        self = Self.begin(on: clock)
    }

    private init(
        elapsed: @escaping @Sendable () -> Duration, sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        elapsedNow = elapsed
        sleepUntil = sleep
    }

    private static func begin<Source: Clock<Duration>>(on clock: Source) -> Timeline {
        let start = clock.now
        return Timeline(
            elapsed: { start.duration(to: clock.now) },
            sleep: { try await clock.sleep(until: start.advanced(by: $0), tolerance: nil) })
    }

    var elapsed: Duration { elapsedNow() }

    /// Sleeps until so much time has passed since the beginning; at once where it has.
    func sleep(until elapsed: Duration) async throws { try await sleepUntil(elapsed) }
}
