import Synchronization

/// Stops the program of a run, also if the stop comes before the program has started.
final class CommandStop: Sendable {
    private struct State {
        var program: (any RunningProgram)?
        var isStopped = false
    }

    private let grace: Duration
    private let drain: DrainGrace
    private let state = Mutex(State())

    /// - Parameters:
    ///   - grace: how long the program may take to end after `SIGTERM`.
    ///   - drain: shortens it while the daemon shuts down.
    init(grace: Duration, drain: DrainGrace) {
        self.grace = grace
        self.drain = drain
    }

    /// Whether the engine has asked for the stop.
    var isStopped: Bool { state.withLock { $0.isStopped } }

    /// The program has started.
    func begin(_ program: any RunningProgram) {
        let isStopped = state.withLock { state in
            state.program = program
            return state.isStopped
        }
        if isStopped { program.stop(grace: drain.limited(grace)) }
    }

    /// The engine asks for the stop.
    func stop() {
        let program = state.withLock { state in
            state.isStopped = true
            return state.program
        }
        program?.stop(grace: drain.limited(grace))
    }
}

/// How long programs may take to end while the daemon shuts down.
final class DrainGrace: Sendable {
    private let limit = Mutex<Duration?>(nil)

    func begin(_ limit: Duration) { self.limit.withLock { $0 = limit } }

    /// The shorter one of a program's grace and that of the shutdown.
    func limited(_ grace: Duration) -> Duration { min(grace, limit.withLock { $0 } ?? grace) }
}
