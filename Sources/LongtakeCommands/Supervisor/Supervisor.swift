internal import CLongtakeProcess
import Glibc
import LongtakeCore

/// The supervisor process of one program: `longtake supervise NONCE`.
///
/// It starts the program that the daemon names, tells how it ends, and leaves no process behind.
/// When the daemon closes its end of the connection or dies, the supervisor kills the program.
///
/// It runs on the only thread of its process, in its own session and outside of the program's
/// process group.
package struct Supervisor {
    /// Descriptors that the supervisor inherits. Descriptors 1 and 2 are `/dev/null`.
    enum Descriptor {
        /// The connection to the daemon, in both directions.
        static let connection: CInt = 0
        /// They become the program's standard output and standard error.
        static let output: CInt = 3
        static let error: CInt = 4
        static let count: CInt = 5
    }

    /// How often children are reaped even if no signal came.
    private static let pause = Duration.seconds(1)

    private let nonce: String
    /// Becomes readable when a child has ended.
    private let signals: CInt
    private var life = SupervisorLife()
    private var frames = SupervisorFrames()
    private var program: pid_t?
    private var cgroup: Cgroup?

    private init(nonce: String, signals: CInt) {
        self.nonce = nonce
        self.signals = signals
    }

    /// Runs until no process of the program is left.
    /// - Parameter nonce: names this run. The program has it as `LONGTAKE_NONCE`.
    /// - Returns: the exit status of this process.
    package static func run(nonce: String) -> CInt {
        let signals = longtake_child_signals()
        guard signals >= 0, longtake_become_subreaper() == 0, longtake_become_undumpable() == 0 else { return 1 }
        var supervisor = Supervisor(nonce: nonce, signals: signals)
        supervisor.work()
        return 0
    }

    private mutating func work() {
        var hasEnded = false
        while !hasEnded {
            for action in wait() where !hasEnded { hasEnded = perform(action) }
        }
    }

    // MARK: Events

    /// Waits for the daemon, for a child or for the deadline.
    private mutating func wait() -> [SupervisorLife.Action] {
        var waits = [
            pollfd(fd: Descriptor.connection, events: Int16(POLLIN), revents: 0),
            pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
        ]
        let left = life.deadline.map { min($0 - .now, Self.pause) } ?? Self.pause
        poll(&waits, 2, CInt(max(0, left / .milliseconds(1)).rounded(.up)))
        longtake_child_signals_clear(signals)
        var actions = [reap(), life.check(at: .now)]
        if waits[0].revents != 0 { actions += receive() }
        return actions
    }

    private mutating func receive() -> [SupervisorLife.Action] {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(Descriptor.connection, &buffer, buffer.count, CInt(MSG_DONTWAIT))
        if count < 0, errno == EAGAIN || errno == EINTR { return [] }
        guard count > 0 else { return [life.inputEnded()] }
        frames.append(buffer[..<count])
        var actions: [SupervisorLife.Action] = []
        do {
            while let order = try frames.next(SupervisorOrder.self) { actions.append(life.receive(order, at: .now)) }
        } catch {
            // The daemon never sends this, so no further order can be trusted. The program ends as
            // if the daemon had died.
            actions.append(life.inputEnded())
        }
        return actions
    }

    /// Reaps descendants that have ended. The program itself stays unreaped, so that its process
    /// group keeps its number.
    private mutating func reap() -> SupervisorLife.Action {
        while true {
            let child = longtake_exited_child()
            guard child > 0 else { return .none }
            if child == program { return life.programEnded() }
            waitpid(child, nil, 0)
        }
    }

    // MARK: Actions

    /// - Returns: whether the supervisor's work is done.
    private mutating func perform(_ action: SupervisorLife.Action) -> Bool {
        switch action {
        case .none: return false
        case .start(let launch): return !start(launch)
        case .terminate:
            guard let program else { return false }
            kill(-program, SIGTERM)
            // A program that is stopped receives the signal only when it goes on.
            kill(-program, SIGCONT)
            return false
        case .end:
            end()
            return true
        }
    }

    private mutating func start(_ launch: SupervisorLaunch) -> Bool {
        do throws(ProgramStartError) {
            if let path = launch.cgroup { cgroup = try .make(path) }
            let start = ProgramStart(launch: launch.program, nonce: nonce, cgroup: cgroup)
            let pid = try start.run(output: Descriptor.output, error: Descriptor.error)
            program = pid
            // The pipes end when the program and its descendants have closed them.
            close(Descriptor.output)
            close(Descriptor.error)
            tell(.started(pid: pid))
            return true
        } catch {
            cgroup?.remove()
            tell(.failed(error))
            return false
        }
    }

    private func end() {
        guard let program else { return }
        let outcome = DescendantKiller(program: program, cgroup: cgroup).run()
        cgroup?.remove()
        tell(.ended(describe(outcome.status), left: outcome.left))
    }

    private func describe(_ status: CInt?) -> ProgramEnd {
        guard let status else { return .signaled(SIGKILL, isStopped: life.isStopRequested) }
        let signal = status & 0x7f
        guard signal != 0 else { return .exited(status: status >> 8 & 0xff) }
        return .signaled(signal, isStopped: life.isStopRequested && [SIGTERM, SIGKILL].contains(signal))
    }

    /// Tells the daemon. If the daemon has died, nobody needs the message.
    private func tell(_ report: SupervisorReport) {
        guard let frame = try? SupervisorFrames.encode(report) else { return }
        var rest = frame[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                send(Descriptor.connection, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            if count < 0, errno != EINTR { return }
            rest = rest.dropFirst(max(0, count))
        }
    }
}
