package import Glibc

/// A network namespace for a daemon, so that a test can disconnect it. Needs root, `unshare` and
/// `ip`.
package enum Namespace {
    /// Whether this machine allows network namespaces.
    package static let isAvailable: Bool =
        getuid() == 0 && (try? run(["/usr/bin/unshare", "-n", "--", "/bin/sh", "-c", script, "/bin/true"])) == 0

    /// The command that starts another one in a new namespace with a loopback interface, in the
    /// same process.
    package static let script = "ip link set lo up && exec \"$0\" \"$@\""

    package struct Failure: Error { let errno: Int32 }

    /// Runs `body` with this thread in the network of a process. A socket stays in the network in
    /// which it was created.
    package static func inside<Value>(_ pid: pid_t, _ body: () throws -> Value) throws -> Value {
        let (own, other) = (try open("/proc/thread-self/ns/net"), try open("/proc/\(pid)/ns/net"))
        defer {
            close(own)
            close(other)
        }
        guard enter(other) == 0 else { throw Failure(errno: errno) }
        defer { precondition(enter(own) == 0, "the way back is open") }
        return try body()
    }

    /// Disconnects or reconnects the network of a process.
    package static func setLoopback(up: Bool, of pid: pid_t) throws {
        let status = try run(
            ["/usr/bin/nsenter", "--net=/proc/\(pid)/ns/net", "ip", "link", "set", "lo", up ? "up" : "down"])
        guard status == 0 else { throw Failure(errno: status) }
    }

    /// setns(2). glibc declares it only for programs that define `_GNU_SOURCE`.
    private static func enter(_ network: CInt) -> CInt {
        typealias Setns = @convention(c) (CInt, CInt) -> CInt
        guard let symbol = dlsym(nil, "setns") else { return -1 }
        return unsafeBitCast(symbol, to: Setns.self)(network, 0x4000_0000)
    }

    private static func open(_ path: String) throws -> CInt {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(errno: errno) }
        return descriptor
    }

    private static func run(_ arguments: [String]) throws -> CInt {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in CInt(0)...2 { posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0) }
        let pid = try DaemonProcess.spawn(
            path: arguments[0], arguments, ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], &actions)
        var status: CInt = 0
        guard waitpid(pid, &status, 0) == pid else { throw Failure(errno: errno) }
        return status == 0 ? 0 : 1
    }
}
