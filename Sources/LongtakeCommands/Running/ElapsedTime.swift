/// The time since a moment, on an injected clock.
struct ElapsedTime: Sendable {
    private let measure: @Sendable () -> Duration

    /// Starts now.
    init(on clock: some Clock<Duration>) {
        let start = clock.now
        measure = { start.duration(to: clock.now) }
    }

    var now: Duration { measure() }
}
