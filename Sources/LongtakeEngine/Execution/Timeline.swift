/// Measures time from a starting point on an injected clock.
///
/// Code that has an `any Clock<Duration>` cannot store its instants, because their type is unknown
/// there. A timeline captures the starting instant in closures that know its type.
struct Timeline: Sendable {
    private let elapsedNow: @Sendable () -> Duration
    private let sleepUntil: @Sendable (Duration) async throws -> Void

    /// Starts now.
    init(on clock: any Clock<Duration>) {
        self = Self.start(on: clock)
    }

    private init(
        elapsed: @escaping @Sendable () -> Duration, sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        elapsedNow = elapsed
        sleepUntil = sleep
    }

    private static func start<Source: Clock<Duration>>(on clock: Source) -> Timeline {
        let start = clock.now
        return Timeline(
            elapsed: { start.duration(to: clock.now) },
            sleep: { try await clock.sleep(until: start.advanced(by: $0), tolerance: nil) })
    }

    var elapsed: Duration { elapsedNow() }

    /// Sleeps until ``elapsed`` is at least `elapsed`. It returns at once if that time has passed.
    func sleep(until elapsed: Duration) async throws { try await sleepUntil(elapsed) }
}
