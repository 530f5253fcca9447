import FoundationEssentials
package import Glibc
import Synchronization

/// A real `longtake serve` process with its own port and directory. It is killed when this object
/// is deinitialised.
package final class DaemonProcess: TestDaemon, @unchecked Sendable {
    package let directory: String
    package let port: Int
    package private(set) var pid: pid_t = 0
    /// The exit status of the previous process, or 128 plus the number of the signal that killed
    /// it.
    package private(set) var lastStatus: CInt?
    private let arguments: [String]
    private let environment: [String]
    private let wrapper: [String]
    private let ownsDirectory: Bool
    private let isInNamespace: Bool

    package struct DidNotStart: Error, CustomStringConvertible {
        package let description: String
    }

    /// Starts a daemon and waits until it is ready.
    /// - Parameters:
    ///   - wrapper: a command with its arguments that executes the daemon in the same
    ///     process, such as `prlimit`.
    ///   - inNamespace: whether it has its own network, and a Unix socket at ``unixSocket``.
    package convenience init(
        _ arguments: String..., environment: [String] = [], directory: String? = nil, port: Int? = nil,
        wrapper: [String] = [], inNamespace: Bool = false
    ) throws {
        try self.init(
            arguments: arguments, environment: environment, directory: directory, port: port, wrapper: wrapper,
            inNamespace: inNamespace)
    }

    /// The same with an array of arguments.
    package init(
        arguments: [String], environment: [String] = [], directory: String? = nil, port: Int? = nil,
        wrapper: [String] = [], inNamespace: Bool = false
    ) throws {
        self.directory = try directory ?? Self.temporaryDirectory()
        ownsDirectory = directory == nil
        self.port = try port ?? Self.freePort()
        self.arguments = arguments
        isInNamespace = inNamespace
        // `unshare` executes the shell, and the shell executes the daemon.
        self.wrapper =
            inNamespace ? ["/usr/bin/unshare", "-n", "--", "/bin/sh", "-c", Namespace.script] : wrapper
        self.environment = environment + (inNamespace ? ["LONGTAKE_HTTP_UNIX_SOCKET=\(self.directory)/socket"] : [])
        try start()
    }

    deinit {
        kill(SIGKILL)
        if ownsDirectory { Self.remove(directory) }
    }

    /// Starts the daemon again with the same directory and port.
    /// - Parameter more: environment variables for this process only.
    /// - Returns: the time until `/readyz` returned 200.
    @discardableResult
    package func start(_ more: String...) throws -> Duration { try start(more) }

    /// The same with an array of variables.
    @discardableResult
    package func start(_ more: [String]) throws -> Duration {
        let begin = ContinuousClock.now
        try startWithoutWaiting(more)
        try waitUntilReady()
        return .now - begin
    }

    private func waitUntilReady() throws {
        let deadline = Deadline(60)
        while !deadline.isOver {
            if (try? connect().exchange("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").status)
                == 200
            {
                return
            }
            if reap() { throw DidNotStart(description: log) }
            poll(nil, 0, 5)
        }
        kill()
        throw DidNotStart(description: log)
    }

    /// Starts another daemon while the previous one, which is shutting down, may still run.
    package func startBesidePredecessor() throws {
        let old = pid
        try startWithoutWaiting()
        let deadline = Deadline(60)
        // The previous daemon uses the port until it exits.
        while waitpid(old, nil, WNOHANG) == 0 {
            guard !deadline.isOver else { throw DidNotStart(description: "the one before does not end") }
            poll(nil, 0, 5)
        }
        try waitUntilReady()
    }

    /// Starts it without waiting until it is ready.
    package func startWithoutWaiting(_ more: [String] = []) throws {
        Self.forget(pid)
        pid = try Self.spawn(
            ["serve", "--data", directory + "/data", "--port", "\(port)"] + arguments, environment: environment + more,
            log: directory + "/log", wrapper: wrapper)
        Self.remember(pid, ownsDirectory ? directory : nil)
    }

    /// Kills the daemon.
    package func kill(_ signal: CInt = SIGKILL) {
        // 0 would mean all processes of this group.
        guard pid > 0 else { return }
        Glibc.kill(pid, signal)
        _ = wait(within: 15)
    }

    /// Requests a shutdown and waits for it.
    /// - Returns: the exit status; `nil` if it still runs after 15 seconds.
    package func stop() -> CInt? {
        signal(SIGTERM)
        return wait(within: 15)
    }

    package func signal(_ number: CInt) {
        guard pid > 0 else { return }
        Glibc.kill(pid, number)
    }

    /// Waits until the process exits.
    /// - Returns: its exit status, 128 and the number of the signal that ended it, or `nil` where
    ///   it did not end in time.
    package func wait(within seconds: Double) -> CInt? {
        let deadline = Deadline(seconds)
        // 0 would mean any child process.
        while pid > 0, !deadline.isOver {
            if reap() { return lastStatus }
            poll(nil, 0, 5)
        }
        return nil
    }

    /// The exit status if it exits in time.
    package func lastStatus(within seconds: Double) -> CInt? { pid == 0 ? lastStatus : wait(within: seconds) }

    private func reap() -> Bool {
        var status: CInt = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return false }
        Self.forget(pid)
        pid = 0
        lastStatus = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
        return true
    }

    package var log: String { (try? String(contentsOfFile: directory + "/log", encoding: .utf8)) ?? "" }

    package func connect(receiveBuffer: CInt?) throws -> Socket {
        guard isInNamespace else { return try Socket(port: port, receiveBuffer: receiveBuffer) }
        return try Namespace.inside(pid) { try Socket(port: port, receiveBuffer: receiveBuffer) }
    }

    /// The path of its Unix socket, for a daemon with its own network.
    package var unixSocket: String { directory + "/socket" }

    /// Sends a request over the Unix socket.
    /// - Returns: the head without the body.
    package func headOverUnixSocket(_ path: String, _ more: String...) throws -> ResponseHead {
        let socket = try Socket(path: unixSocket)
        try socket.send(text("GET", path, more))
        return try socket.readHead()
    }

    // MARK: Leftovers

    /// The running daemons and their directories. A global object, such as a daemon that several
    /// suites share, is never deinitialised. So a handler of `atexit` kills the remaining daemons.
    private static let running = Mutex<[pid_t: String?]>([:])

    private static let endsLeftovers: Void = {
        atexit {
            DaemonProcess.running.withLock { running in
                for (pid, directory) in running {
                    Glibc.kill(pid, SIGKILL)
                    waitpid(pid, nil, 0)
                    if let directory { DaemonProcess.remove(directory) }
                }
            }
        }
    }()

    private static func remember(_ pid: pid_t, _ directory: String?) {
        endsLeftovers
        running.withLock { _ = $0.updateValue(directory, forKey: pid) }
    }

    private static func forget(_ pid: pid_t) { running.withLock { _ = $0.removeValue(forKey: pid) } }

    // MARK: Processes

    /// The binary beside the tests, or in `LONGTAKE_BINARY`, for example one with a sanitizer.
    package static let binary: String = {
        if let other = getenv("LONGTAKE_BINARY") { return String(cString: other) }
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return bundle.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/longtake"
    }()

    /// Starts the binary with its own environment. Its standard streams go to `log`.
    package static func spawn(
        _ arguments: [String], environment: [String] = [], log: String, wrapper: [String] = []
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let command = wrapper + [binary] + arguments
        return try spawn(path: command[0], command, environment, &actions)
    }

    package static func spawn(
        path: String, _ arguments: [String], _ environment: [String], _ actions: inout posix_spawn_file_actions_t
    ) throws -> pid_t {
        var pid: pid_t = 0
        var argv = arguments.map { strdup($0) } + [nil]
        var envp = (["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] + sanitizerOptions + environment).map { strdup($0) } + [nil]
        defer { for text in argv + envp { free(text) } }
        let result = posix_spawn(&pid, path, &actions, nil, &argv, &envp)
        guard result == 0 else { throw DidNotStart(description: "\(path): \(String(cString: strerror(result)))") }
        return pid
    }

    /// The options of a sanitizer, for a binary that is built with one.
    private static let sanitizerOptions = getenv("ASAN_OPTIONS").map { ["ASAN_OPTIONS=\(String(cString: $0))"] } ?? []

    /// Runs the binary to its end. It is killed after the given time.
    /// - Parameter wrapper: a command with its arguments that executes the binary in the same
    ///   process, such as `setpriv`.
    package static func run(
        _ arguments: [String], environment: [String] = [], wrapper: [String] = [], within seconds: Double = 20
    ) throws -> (status: CInt, output: String) {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let pid = try spawn(arguments, environment: environment, log: directory + "/out", wrapper: wrapper)
        let deadline = Deadline(seconds)
        var status: CInt = 0
        while waitpid(pid, &status, WNOHANG) == 0 {
            if deadline.isOver { Glibc.kill(pid, SIGKILL) }
            poll(nil, 0, 5)
        }
        let output = (try? String(contentsOfFile: directory + "/out", encoding: .utf8)) ?? ""
        return (status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f), output)
    }

    package static func temporaryDirectory() throws -> String {
        var template = Array("/tmp/longtake-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw DidNotStart(description: "mkdtemp: \(errno)") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    package static func remove(_ directory: String) { try? FileManager.default.removeItem(atPath: directory) }

    private static let lastPort = Mutex(20_000 + Int(getpid()) % 8_000)

    /// An unused port, a different one each time.
    ///
    /// The port is below the range for outgoing connections (ip_local_port_range). Otherwise such a
    /// connection could occupy it when a killed daemon restarts.
    package static func freePort() throws -> Int {
        for _ in 0..<1_000 {
            let port = lastPort.withLock { port in
                port = port < 31_000 ? port + 1 : 20_000
                return port
            }
            if (try? Socket(port: port)) == nil { return port }
        }
        throw DidNotStart(description: "no port is free")
    }
}
