import Dispatch
import Glibc
import LongtakeCore
import Synchronization

@testable import LongtakeCommands

/// Starts programs as children of the tests, without a supervisor.
struct DirectStarter: ProgramStarter {
    /// If it is not `nil`, each start throws it.
    var error: ProgramStartError?
    let launches = LaunchRecord()

    final class LaunchRecord: Sendable {
        private let all = Mutex<[ProgramLaunch]>([])
        var list: [ProgramLaunch] { all.withLock { $0 } }
        func add(_ launch: ProgramLaunch) { all.withLock { $0.append(launch) } }
    }

    func start(_ launch: ProgramLaunch) async throws(ProgramStartError) -> any RunningProgram {
        launches.add(launch)
        if let error { throw error }
        // One start at a time, so that no program inherits the pipes of another one.
        let program = Self.starts.withLock { _ in spawn(launch) }
        guard let program else { throw .notExecutable("there is no program “\(launch.arguments[0])”") }
        return program
    }

    private static let starts = Mutex(())

    private func spawn(_ launch: ProgramLaunch) -> DirectProgram? {
        var (output, errors): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        guard pipe(&output) == 0, pipe(&errors) == 0 else { return nil }
        for end in output + errors { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        for end in [output[0], errors[0]] { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, launch.inputFile ?? "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output[1], 1)
        posix_spawn_file_actions_adddup2(&actions, errors[1], 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let shell = ["/bin/sh", "-c", #"cd "$0" && exec "$@""#, launch.workingDirectory] + launch.arguments
        var arguments = shell.map { strdup($0) } + [nil]
        var environment = launch.environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in arguments + environment { free(text) } }
        var process: pid_t = 0
        let result = posix_spawn(&process, "/bin/sh", &actions, &attributes, &arguments, &environment)
        close(output[1])
        close(errors[1])
        guard result == 0 else {
            close(output[0])
            close(errors[0])
            return nil
        }
        return DirectProgram(process, output: output[0], errors: errors[0])
    }
}

final class DirectProgram: RunningProgram {
    let standardOutput: Int32
    let standardError: Int32
    private let process: pid_t
    private let state = Mutex<(isStopped: Bool, isReaped: Bool)>((false, false))

    init(_ process: pid_t, output: Int32, errors: Int32) {
        self.process = process
        standardOutput = output
        standardError = errors
    }

    func stop(grace: Duration) {
        signal(SIGTERM)
        DispatchQueue.global().asyncAfter(deadline: .now() + (grace / .seconds(1))) { self.signal(SIGKILL) }
    }

    func kill() { signal(SIGKILL) }

    private func signal(_ number: Int32) {
        state.withLock { state in
            guard !state.isReaped else { return }
            state.isStopped = true
            _ = Glibc.kill(-process, number)
        }
    }

    func end() async -> ProgramEnd {
        await withCheckedContinuation { caller in
            DispatchQueue(label: "test.wait").async {
                var information = siginfo_t()
                while waitid(P_PID, id_t(self.process), &information, WEXITED | WNOWAIT) != 0 {}
                let end = self.state.withLock { state -> ProgramEnd in
                    var status: Int32 = 0
                    waitpid(self.process, &status, 0)
                    state.isReaped = true
                    let signal = status & 0x7f
                    return signal == 0
                        ? .exited(status: status >> 8 & 0xff) : .signaled(signal, isStopped: state.isStopped)
                }
                caller.resume(returning: end)
            }
        }
    }
}
