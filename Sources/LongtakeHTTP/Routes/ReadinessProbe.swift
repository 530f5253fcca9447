import LongtakeCore

/// Whether the disk takes anything, asked once for all who want to know: each question is a commit, and nobody needs a key to ask.
actor ReadinessProbe<ProbeClock: Clock> where ProbeClock.Duration == Duration {
    private let clock: ProbeClock
    private let check: @Sendable () async throws -> Void
    private var running: Task<Void, any Error>?
    private var succeeded: ProbeClock.Instant?

    /// - Parameter check: writes; throws where that is not possible.
    init(clock: ProbeClock, check: @escaping @Sendable () async throws -> Void) {
        self.clock = clock
        self.check = check
    }

    /// Returns where the disk took something in the last ``Limits/readinessLasts``, or takes it now. Whoever asks while another does gets the same
    /// answer; a failure is told to nobody who asks later.
    /// - Throws: what the check throws.
    func run() async throws {
        if let succeeded, succeeded.duration(to: clock.now) < Limits.readinessLasts { return }
        if let running { return try await running.value }
        // A task of its own, since others wait for it too: it goes on when the first who asked goes away.
        let task = Task { [check] in try await check() }
        running = task
        defer { running = nil }
        try await task.value
        succeeded = clock.now
    }
}
