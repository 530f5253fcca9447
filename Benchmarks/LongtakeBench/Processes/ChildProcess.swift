import FoundationEssentials
import Glibc

/// A process that the driver has started. The driver never stops any other process.
struct ChildProcess: Sendable {
    let id: pid_t
    /// The file with its standard output and standard error.
    let log: String

    init(_ path: String, _ arguments: [String], log: String) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The driver ignores SIGINT, SIGTERM and SIGPIPE. A child process would inherit that.
        var defaults = sigset_t()
        sigfillset(&defaults)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        // Its own process group, so that Ctrl-C interrupts only the driver, which then stops it.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var argv: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
        var envp: [UnsafeMutablePointer<CChar>?] = [strdup("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")]
        argv.append(nil)
        envp.append(nil)
        defer { for text in argv + envp { free(text) } }
        var process: pid_t = 0
        let result = posix_spawn(&process, path, &actions, &attributes, &argv, &envp)
        guard result == 0 else { throw BenchFailure("cannot start \(path): \(String(cString: strerror(result)))") }
        Cleanup.add(process: process)
        id = process
        self.log = log
    }

    var output: String { ProcFile.text(log) ?? "" }

    /// Waits until `find` returns a value for the output of the process.
    func awaitOutput<Value>(within seconds: Double, _ find: (String) -> Value?) async throws -> Value {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while .now < deadline {
            if let value = find(output) { return value }
            if waitpid(id, nil, WNOHANG) == id {
                Cleanup.remove(process: id)
                throw BenchFailure("the server exited before it was ready: \(output)")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw BenchFailure("the server was not ready within \(seconds) s: \(output)")
    }

    /// Stops the process and its child processes.
    /// - Parameter gracefully: whether to send SIGTERM first. SIGKILL follows after 15 s.
    /// - Throws: an error if the process has already exited.
    func stop(gracefully: Bool = false) async throws {
        if waitpid(id, nil, WNOHANG) == id {
            Cleanup.remove(process: id)
            throw BenchFailure("the server exited during the measurement: \(output.suffix(1_000))")
        }
        let children = ProcessTable.children(of: id)
        for process in children + [id] { kill(process, gracefully ? SIGTERM : SIGKILL) }
        let deadline = ContinuousClock.now + .seconds(15)
        while waitpid(id, nil, WNOHANG) == 0 {
            if .now >= deadline { for process in children + [id] { kill(process, SIGKILL) } }
            try await Task.sleep(for: .milliseconds(5))
        }
        Cleanup.remove(process: id)
    }
}
