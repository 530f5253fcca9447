import Dispatch
import Glibc
import Synchronization

/// A process that the driver has started. The driver never stops any other process.
struct ChildProcess: Sendable {
    let id: pid_t
    private let output: ProcessOutput

    /// One process is created at a time, so that no other one inherits its pipe.
    private static let spawning = Mutex(())

    init(_ path: String, _ arguments: [String]) throws {
        var ends: [CInt] = [-1, -1]
        let result = try Self.spawning.withLock { _ in
            guard pipe(&ends) == 0 else {
                throw BenchFailure("cannot create a pipe: \(String(cString: strerror(errno)))")
            }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return Self.spawn(path, arguments, output: ends[1])
        }
        close(ends[1])
        do {
            id = try result.get()
        } catch {
            close(ends[0])
            throw error
        }
        Cleanup.add(process: id)
        output = ProcessOutput(readingFrom: ends[0])
    }

    private static func spawn(
        _ path: String, _ arguments: [String], output: CInt
    ) -> Result<pid_t, BenchFailure> {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
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
        guard result == 0 else {
            return .failure(BenchFailure("cannot start \(path): \(String(cString: strerror(result)))"))
        }
        return .success(process)
    }

    /// Waits until `find` returns a value for the output of the process. Call it at most once.
    func awaitOutput<Value: Sendable>(
        within seconds: Double, _ find: @escaping @Sendable (String) -> Value?
    ) async throws -> Value {
        let found = try await withTimeout(seconds) { [output] () async throws -> Value in
            for await _ in output.changes {
                if let value = find(output.text) { return value }
            }
            throw BenchFailure("the server exited before it was ready: \(output.text)")
        }
        guard let found else { throw BenchFailure("the server was not ready within \(seconds) s: \(output.text)") }
        return found
    }

    /// Stops the process and its child processes.
    /// - Parameter gracefully: whether to send SIGTERM first. SIGKILL follows after 15 s.
    /// - Throws: an error if the process has already exited.
    func stop(gracefully: Bool = false) async throws {
        let wasRunning = !hasExited
        // The process leads a group of its own, which its child processes are in.
        kill(-id, gracefully && wasRunning ? SIGTERM : SIGKILL)
        var hasEnded = await output.end(within: 15)
        if !hasEnded {
            kill(-id, SIGKILL)
            hasEnded = await output.end(within: 15)
        }
        // After the end of the output, the exit of the process is a matter of microseconds.
        waitpid(id, nil, hasEnded ? 0 : WNOHANG)
        Cleanup.remove(process: id)
        guard wasRunning else {
            throw BenchFailure("the server exited during the measurement: \(output.text.suffix(1_000))")
        }
    }

    /// Leaves the process to be reaped (waitid(2), `WNOWAIT`).
    private var hasExited: Bool {
        var information = siginfo_t()
        return waitid(P_PID, id_t(id), &information, WEXITED | WNOHANG | WNOWAIT) == 0 && information.si_signo != 0
    }
}

/// The standard output and standard error of a child process. A separate thread reads them until
/// the process and its own child processes have exited.
private final class ProcessOutput: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var hasEnded = false
        var waiters: [Waiter] = []
    }

    private let state = Mutex(State())
    /// An element after each change of ``text``. It ends when the processes have exited.
    let changes: AsyncStream<Void>

    /// Far more than a server writes until it is ready. The end of a longer output is kept, because
    /// it explains why the server has exited.
    private static let maximumBytes = 1 << 20

    init(readingFrom descriptor: CInt) {
        let (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.changes = changes
        DispatchQueue(label: "longtake-bench.output").async {
            self.collect(from: descriptor) { continuation.yield() }
            continuation.finish()
        }
    }

    var text: String { String(decoding: state.withLock { $0.bytes }, as: UTF8.self) }

    /// Waits until the processes have exited.
    /// - Returns: `false` if they have not after `seconds`.
    func end(within seconds: Double) async -> Bool {
        await withCheckedContinuation { caller in
            let waiter = Waiter(caller)
            let hasEnded = state.withLock { state in
                state.waiters.append(waiter)
                return state.hasEnded
            }
            if hasEnded { waiter.resume(returning: true) }
            DispatchQueue.global().asyncAfter(deadline: .now() + seconds) { waiter.resume(returning: false) }
        }
    }

    /// Resumes its caller once.
    private final class Waiter: Sendable {
        private let caller: Mutex<CheckedContinuation<Bool, Never>?>

        init(_ caller: CheckedContinuation<Bool, Never>) { self.caller = Mutex(caller) }

        func resume(returning hasEnded: Bool) {
            caller.withLock { caller in
                defer { caller = nil }
                return caller
            }?.resume(returning: hasEnded)
        }
    }

    /// Reads until the end. It blocks its thread.
    private func collect(from descriptor: CInt, onChange: () -> Void) {
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            append(Array(chunk[..<count]))
            onChange()
        }
        close(descriptor)
        let waiters = state.withLock { state in
            state.hasEnded = true
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: true) }
    }

    private func append(_ bytes: [UInt8]) {
        state.withLock { state in
            state.bytes += bytes
            let excess = state.bytes.count - Self.maximumBytes
            if excess > 0 { state.bytes.removeFirst(excess) }
        }
    }
}

/// Runs `body`, and cancels it if it takes too long.
/// - Returns: `nil` if it takes longer than `seconds`.
private func withTimeout<Value: Sendable>(
    _ seconds: Double, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value? {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            // This sleep is the timeout.
            try await Task.sleep(for: .seconds(seconds))
            return nil
        }
        defer { group.cancelAll() }
        return try await group.next() ?? nil
    }
}
