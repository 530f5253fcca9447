import Glibc

@testable import LongtakeCommands

/// A process that takes the place of the daemon and can be killed: it starts a supervisor with a program, and
/// waits.
struct StandInDaemon {
    let pid: pid_t

    private static let script = """
        import fcntl, os, signal, socket, sys
        binary, nonce, frame = sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3])
        ours, theirs = socket.socketpair()
        null = os.open('/dev/null', os.O_RDWR)
        def high(fd): return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
        connection, null = high(theirs.fileno()), high(null)
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate([connection] + [null] * 4)]
        os.posix_spawn(binary, ['longtake', 'supervise', nonce], {}, file_actions=actions, setsid=True)
        theirs.close()
        os.close(connection)
        ours.sendall(frame)
        while ours.recv(4096): pass
        signal.pause()
        """

    /// - Parameter wrapper: a command that executes the process, such as `setpriv`.
    init(_ bench: ProgramBench, launch: ProgramLaunch, wrapper: [String] = []) throws {
        let frame = try SupervisorFrames.encode(SupervisorOrder.launch(.init(program: launch, cgroup: nil)))
        let hex = frame.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let words = wrapper + ["/usr/bin/python3", "-c", Self.script, ProgramBench.binary, bench.nonce, hex]
        pid = try Self.spawn(words, environment: ["PATH=/usr/bin:/bin"])
    }

    struct DidNotStart: Error { let code: CInt }

    /// Starts a process with this directory and these streams.
    static func spawn(_ words: [String], environment: [String]) throws -> pid_t {
        var pid: pid_t = 0
        var arguments = words.map { strdup($0) } + [nil]
        var variables = environment.map { strdup($0) } + [nil]
        defer { for text in arguments + variables { free(text) } }
        let code = posix_spawn(&pid, words[0], nil, nil, &arguments, &variables)
        guard code == 0 else { throw DidNotStart(code: code) }
        return pid
    }

    func kill() {
        Glibc.kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}
