/// What the daemon knows of a supervisor and its program, without any system call.
///
///     starting ──started──▶ running ──told the end──▶ told ──┐
///        │                     │                             │ connection closed
///        └──failed, closed─────┴─────closed──────────────────┴──▶ over
struct Supervision {
    private enum State {
        case starting
        /// The program did not start. The supervisor is about to exit.
        case failed(ProgramStartError)
        case running
        /// The program has ended. The supervisor is about to exit.
        case told(ProgramEnd, left: Int)
        case over(Result<ProgramEnd, ProgramStartError>)
    }

    private var state = State.starting

    /// What remains to be done when the supervisor's connection has closed.
    enum Ending: Equatable {
        /// No process is left but the supervisor, which exits.
        case reap
        /// The supervisor died or has given up. The daemon must find and kill the program's
        /// processes itself.
        case kill
    }

    /// Whether the supervisor has not told anything yet.
    var isStarting: Bool {
        if case .starting = state { true } else { false }
    }

    /// How the program ended, or why it did not start; `nil` while it may have processes.
    var result: Result<ProgramEnd, ProgramStartError>? {
        if case .over(let result) = state { result } else { nil }
    }

    /// - Returns: whether the program has started with this report.
    mutating func receive(_ report: SupervisorReport) -> Bool {
        switch (report, state) {
        case (.started, .starting):
            state = .running
            return true
        case (.failed(let error), .starting): state = .failed(error)
        case (.ended(let end, let left), .running): state = .told(end, left: left)
        // A report that is out of order is ignored.
        default: break
        }
        return false
    }

    /// The supervisor has exited or was killed.
    func connectionClosed() -> Ending {
        switch state {
        case .starting, .running: .kill
        case .told(_, let left): left > 0 ? .kill : .reap
        case .failed, .over: .reap
        }
    }

    /// No process is left.
    mutating func finish() {
        switch state {
        case .starting: state = .over(.failure(.failed("the supervisor died before the program started")))
        case .failed(let error): state = .over(.failure(error))
        case .running: state = .over(.success(.unknown))
        case .told(let end, left: _): state = .over(.success(end))
        case .over: break
        }
    }
}
