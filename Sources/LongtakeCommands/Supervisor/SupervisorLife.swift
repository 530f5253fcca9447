/// The decisions of a supervisor, without any system call.
///
///     waiting ──launch──▶ running ──stop──▶ stopping ──┐
///        │                   │                 │ grace, kill, end of input, program ended
///        └─end of input──────┴─────────────────┴──▶ ending
struct SupervisorLife {
    private enum State: Equatable {
        case waiting
        case running
        /// `SIGTERM` was sent. Everything is killed at the deadline.
        case stopping(deadline: ContinuousClock.Instant)
        case ending
    }

    /// What the supervisor has to do.
    enum Action: Equatable {
        case none
        case start(SupervisorLaunch)
        /// Send `SIGTERM` to the group.
        case terminate
        /// Kill all that is left, tell the end if a program ran, and exit.
        case end
    }

    private var state = State.waiting
    /// Whether this side ended the program, so that its death by `SIGTERM` or `SIGKILL` is no
    /// failure of its own.
    private(set) var isStopRequested = false

    /// When everything has to be killed; `nil` if that is not planned.
    var deadline: ContinuousClock.Instant? {
        guard case .stopping(let deadline) = state else { return nil }
        return deadline
    }

    mutating func receive(_ order: SupervisorOrder, at now: ContinuousClock.Instant) -> Action {
        switch (order, state) {
        case (_, .ending): return .none
        case (.launch(let launch), .waiting):
            state = .running
            return .start(launch)
        case (.launch, _): return .none
        // A stop before the launch would be forgotten, so it ends the supervisor.
        case (.kill, _), (.stop, .waiting): return kill()
        case (.stop(let grace), .running):
            isStopRequested = true
            state = .stopping(deadline: now + .milliseconds(max(0, grace)))
            return .terminate
        case (.stop(let grace), .stopping(let deadline)):
            state = .stopping(deadline: min(deadline, now + .milliseconds(max(0, grace))))
            return .none
        }
    }

    /// The daemon has closed its end, or has died.
    mutating func inputEnded() -> Action { state == .ending ? .none : kill() }

    /// The program itself has ended. Its descendants may still run.
    mutating func programEnded() -> Action {
        guard state != .ending else { return .none }
        state = .ending
        return .end
    }

    /// Time has passed.
    mutating func check(at now: ContinuousClock.Instant) -> Action {
        guard let deadline, now >= deadline else { return .none }
        return kill()
    }

    private mutating func kill() -> Action {
        isStopRequested = true
        state = .ending
        return .end
    }
}
