internal import CLongtakeProcess
import Dispatch
import Glibc
import Logging
import Synchronization

/// A program that runs under a supervisor.
///
/// The object lives until the supervisor has exited, also if nobody holds it. All system calls that
/// may block run on its own queue, and so does everything that touches the connection.
final class SupervisedProgram: RunningProgram {
    let standardOutput: Int32
    let standardError: Int32
    private let supervisor: pid_t
    private let connection: CInt
    private let queue: DispatchQueue
    private let context: Context
    private let state = Mutex(Shared())

    /// Its work is short and never blocks.
    private static let timers = DispatchQueue(label: "longtake.program.timers")

    /// What belongs to the program besides its descriptors.
    struct Context: Sendable {
        let nonce: String
        let cgroup: String?
        let records: ProgramRecords
        let limits: SupervisorStarter.Limits
        let logger: Logger
    }

    private struct Shared {
        var supervision = Supervision()
        var frames = SupervisorFrames()
        var starter: CheckedContinuation<ProgramStartError?, Never>?
        var waiters: [CheckedContinuation<ProgramEnd, Never>] = []
        /// `nil` before the launch, and when the connection has closed.
        var watch: ReadinessWatcher.Watch?
        /// Set before the supervisor is reaped: afterwards its pid may belong to another process.
        var isReaped = false
    }

    /// - Parameters:
    ///   - supervisor: the pid of a child process.
    ///   - connection: the daemon's end, which this object closes.
    init(supervisor: pid_t, connection: CInt, output: CInt, error: CInt, context: Context) {
        self.supervisor = supervisor
        self.connection = connection
        self.context = context
        (standardOutput, standardError) = (output, error)
        queue = DispatchQueue(label: "longtake.program")
    }

    /// Sends the launch and waits until the program runs.
    /// - Returns: why it did not start; `nil` if it runs.
    func launch(_ launch: SupervisorLaunch) async -> ProgramStartError? {
        await withCheckedContinuation { caller in
            state.withLock { $0.starter = caller }
            listen()
            send(.launch(launch))
            killSupervisor(after: context.limits.start) { $0.isStarting }
        }
    }

    func stop(grace: Duration) {
        let grace = max(.zero, min(grace, .seconds(86_400)))
        let milliseconds = (grace / .milliseconds(1)).rounded(.up)
        send(.stop(graceMilliseconds: Int64(milliseconds)))
        killSupervisor(after: grace + context.limits.answer) { $0.result == nil }
    }

    func kill() {
        send(.kill)
        killSupervisor(after: context.limits.answer) { $0.result == nil }
    }

    func end() async -> ProgramEnd {
        await withCheckedContinuation { caller in
            let end: ProgramEnd? = state.withLock { state in
                if let result = state.supervision.result { return (try? result.get()) ?? .unknown }
                state.waiters.append(caller)
                return nil
            }
            if let end { caller.resume(returning: end) }
        }
    }

    // MARK: The connection

    /// Calls ``receive()`` until the connection has closed, and then ``finish()``. The handler
    /// keeps this object until then.
    private func listen() {
        let watch = ReadinessWatcher.shared.watch(connection) { self.queue.async { self.connectionIsReadable() } }
        state.withLock { $0.watch = watch }
        watch.arm()
    }

    private func connectionIsReadable() {
        guard let watch = state.withLock({ $0.watch }) else { return }
        guard !receive() else { return watch.arm() }
        state.withLock { $0.watch = nil }
        watch.cancel()
        finish()
    }

    /// - Returns: whether the connection is open.
    private func receive() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(connection, &buffer, buffer.count, CInt(MSG_DONTWAIT))
        if count < 0, errno == EAGAIN || errno == EINTR { return true }
        guard count > 0 else { return false }
        do {
            let (reports, starter) = try state.withLock { state in
                state.frames.append(buffer[..<count])
                var reports: [SupervisorReport] = []
                var hasStarted = false
                while let report = try state.frames.next(SupervisorReport.self) {
                    reports.append(report)
                    hasStarted = state.supervision.receive(report) || hasStarted
                }
                guard hasStarted else { return (reports, CheckedContinuation<ProgramStartError?, Never>?.none) }
                defer { state.starter = nil }
                return (reports, state.starter)
            }
            starter?.resume(returning: nil)
            for report in reports { note(report) }
        } catch {
            context.logger.error("a supervisor sent an invalid message", metadata: ["pid": "\(supervisor)"])
            signalSupervisor()
        }
        return true
    }

    private func note(_ report: SupervisorReport) {
        guard case .ended(_, let left) = report else { return }
        // It has nothing to do any more but to exit.
        killSupervisor(after: context.limits.answer) { $0.result == nil }
        guard left > 0 else { return }
        context.logger.warning(
            "processes of a command did not end after SIGKILL",
            metadata: ["processes": "\(left)", "supervisor": "\(supervisor)"])
    }

    /// Sends an order. If the supervisor does not read, the time limit of the caller ends it.
    private func send(_ order: SupervisorOrder) {
        guard let frame = try? SupervisorFrames.encode(order) else { return signalSupervisor() }
        queue.async { [self] in
            guard state.withLock({ $0.supervision.result == nil && !$0.isReaped }) else { return }
            var rest = frame[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes {
                    Glibc.send(connection, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
                }
                if count < 0, errno != EINTR { return }
                rest = rest.dropFirst(max(0, count))
            }
        }
    }

    // MARK: The end

    /// Kills the supervisor after a time if `isStuck` holds then. That closes the connection.
    private func killSupervisor(after time: Duration, if isStuck: @escaping @Sendable (Supervision) -> Bool) {
        // On another queue, because a supervisor that does not read may block this one's. It does
        // not use the global queue, whose few threads may all be blocked by others.
        Self.timers.asyncAfter(deadline: .now() + time / .seconds(1)) { [weak self] in
            guard let self, state.withLock({ isStuck($0.supervision) }) else { return }
            context.logger.warning("a supervisor does not answer and is killed", metadata: ["pid": "\(supervisor)"])
            signalSupervisor()
        }
    }

    private func signalSupervisor() {
        state.withLock { state in
            guard !state.isReaped else { return }
            _ = Glibc.kill(supervisor, SIGKILL)
        }
    }

    /// Runs when the connection has closed: reaps the supervisor, and kills what it has left.
    private func finish() {
        reapSupervisor()
        close(connection)
        var isGone = true
        if state.withLock({ $0.supervision.connectionClosed() }) == .kill { isGone = killLeftovers() }
        // With the record, the next boot tries again.
        if isGone { context.records.remove(context.nonce) }
        let (starter, waiters, result) = state.withLock { state in
            state.supervision.finish()
            defer { (state.starter, state.waiters) = (nil, []) }
            return (state.starter, state.waiters, state.supervision.result)
        }
        switch result {
        case .failure(let error):
            starter?.resume(returning: error)
            for waiter in waiters { waiter.resume(returning: .unknown) }
        case .success(let end):
            for waiter in waiters { waiter.resume(returning: end) }
        case nil: break
        }
    }

    private func reapSupervisor() {
        let descriptor = longtake_process_open(supervisor)
        if descriptor >= 0 {
            var exit = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            poll(&exit, 1, CInt(context.limits.answer / .milliseconds(1)))
            close(descriptor)
        }
        signalSupervisor()
        state.withLock { $0.isReaped = true }
        while waitpid(supervisor, nil, 0) < 0, errno == EINTR {}
    }

    /// - Returns: whether no process is left.
    private func killLeftovers() -> Bool {
        let cgroups = context.cgroup.map { [Cgroup(path: $0)] } ?? []
        let search = NonceSearch(nonces: [context.nonce], cgroups: cgroups, limit: context.limits.search)
        let outcome = search.killAll()
        context.logger.warning(
            "a supervisor died or gave up, so the daemon killed its command",
            metadata: ["killed": "\(outcome.killed)", "left": "\(outcome.left)", "supervisor": "\(supervisor)"])
        return outcome.left == 0
    }
}
