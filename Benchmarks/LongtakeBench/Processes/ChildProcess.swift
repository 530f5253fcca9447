import FoundationEssentials
import Glibc

/// A process that this run started; only these are ever ended by it.
struct ChildProcess: Sendable {
    let id: pid_t
    /// The file that its standard output and error go to.
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
        // SIGINT, SIGTERM and SIGPIPE are ignored here, which a child would inherit.
        var defaults = sigset_t()
        sigfillset(&defaults)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        // A group of its own, so that Ctrl-C at the terminal reaches it through us only.
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
        Leftovers.add(process: process)
        id = process
        self.log = log
    }

    var output: String { SystemFile.text(log) ?? "" }

    /// Waits until `find` finds something in what the process wrote.
    func awaitOutput<Value>(within seconds: Double, _ find: (String) -> Value?) async throws -> Value {
        let deadline = Deadline(seconds)
        while !deadline.isOver {
            if let value = find(output) { return value }
            if waitpid(id, nil, WNOHANG) == id {
                Leftovers.remove(process: id)
                throw BenchFailure("a server ended before it was ready: \(output)")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw BenchFailure("a server was not ready within \(seconds) s: \(output)")
    }

    /// Ends it with those that it started: SIGTERM where it may end orderly, and SIGKILL where it does not.
    /// - Throws: where it had ended by itself.
    func stop(orderly: Bool = false) async throws {
        if waitpid(id, nil, WNOHANG) == id {
            Leftovers.remove(process: id)
            throw BenchFailure("a server died while it was measured: \(output.suffix(1_000))")
        }
        let children = ProcessTable.children(of: id)
        for process in children + [id] { kill(process, orderly ? SIGTERM : SIGKILL) }
        let deadline = Deadline(15)
        while waitpid(id, nil, WNOHANG) == 0 {
            if deadline.isOver { for process in children + [id] { kill(process, SIGKILL) } }
            try await Task.sleep(for: .milliseconds(5))
        }
        Leftovers.remove(process: id)
    }
}
