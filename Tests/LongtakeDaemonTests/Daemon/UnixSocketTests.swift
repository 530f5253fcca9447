import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

/// The socket file of `http.unix_socket`, with real daemons.
@Suite(.serialized) struct UnixSocketTests {
    // Before the fix, the second daemon took over the path and removed the file at its exit.
    @Test("a second daemon does not take over the socket of a running one")
    func live() async throws {
        try await onOwnThread {
            let site = try Site()
            let first = try site.daemon()
            let inode = site.inode
            let (status, output) = try site.startAnother()
            #expect(status == 1)
            #expect(
                output.contains(
                    "Another program listens on the Unix socket \(site.path). Stop it, or choose another path with --unix-socket."
                ), "\(output)")
            #expect(site.inode == inode)
            #expect(try site.answers)
            #expect(first.stop() == 0)
            #expect(site.inode == nil, "a graceful shutdown removes the file")
        }
    }

    @Test("treats a socket with a full backlog as in use")
    func full() async throws {
        try await onOwnThread {
            let site = try Site()
            let listener = try site.listen(backlog: 0)
            defer { close(listener) }
            // The kernel accepts one connection more than the backlog.
            let waiting = try Socket(path: site.path)
            defer { withExtendedLifetime(waiting) {} }
            let inode = site.inode
            let (status, output) = try site.startAnother()
            #expect(status == 1 && output.contains("Another program listens"), "\(output)")
            #expect(site.inode == inode)
        }
    }

    @Test("replaces the socket of a killed daemon, but never a file or a link")
    func stale() async throws {
        try await onOwnThread {
            let site = try Site()
            let daemon = try site.daemon()
            daemon.kill()
            #expect(site.inode != nil)
            try daemon.start()
            try site.waitForAnswer(of: daemon)
            daemon.kill()
            // Behind a link, even a stale socket may belong to another program.
            try #require(rename(site.path, site.path + ".real") == 0)
            try #require(symlink(site.path + ".real", site.path) == 0)
            let linked = try site.startAnother()
            #expect(linked.status == 1 && linked.output.contains("is a file that is not a socket"), "\(linked.output)")
            unlink(site.path)
            try "kept".write(toFile: site.path, atomically: false, encoding: .utf8)
            #expect(try site.startAnother().status == 1)
            #expect(try String(contentsOfFile: site.path, encoding: .utf8) == "kept")
        }
    }

    // `UnixSocketFile` contains a drawing of this race.
    @Test("when several daemons start on a stale socket, one takes it over and the others fail")
    func race() async throws {
        try await onOwnThread {
            for _ in 0..<4 {
                let site = try Site()
                close(try site.listen(backlog: 1))
                let logs = (0..<4).map { site.directory + "/log\($0)" }
                let pids = try logs.enumerated().map { number, log in
                    try DaemonProcess.spawn(
                        [
                            "serve", "--port", "0", "--data", site.directory + "/data\(number)", "--unix-socket",
                            site.path,
                        ],
                        log: log)
                }
                defer {
                    for pid in pids {
                        kill(pid, SIGKILL)
                        waitpid(pid, nil, 0)
                    }
                }
                let deadline = Deadline(20)
                func count(_ text: String) -> Int {
                    logs.count { (try? String(contentsOfFile: $0, encoding: .utf8))?.contains(text) == true }
                }
                while count("\"ready\"") + count("cannot listen") < logs.count, !deadline.isOver { poll(nil, 0, 5) }
                #expect(count("\"ready\"") == 1)
                #expect(count("Another program listens") == 3)
                #expect(try site.answers)
            }
        }
    }

    // This test failed without the comparison in `UnixSocketFile.remove`: the file of the second
    // daemon was removed.
    @Test("a shutdown removes only its own socket file, not one that another program created since")
    func foreign() async throws {
        try await onOwnThread {
            let site = try Site()
            let first = try site.daemon()
            unlink(site.path)
            let second = try site.daemon()
            let inode = site.inode
            #expect(first.stop() == 0)
            #expect(site.inode == inode)
            #expect(try site.answers)
            unlink(site.path)
            try "kept".write(toFile: site.path, atomically: false, encoding: .utf8)
            #expect(second.stop() == 0)
            #expect(try String(contentsOfFile: site.path, encoding: .utf8) == "kept")
        }
    }

    @Test(
        "the file has exactly the permissions of http.unix_socket_mode, for any umask",
        arguments: [("0077", nil, 0o660), ("0000", nil, 0o660), ("0777", "0o666", 0o666), ("0000", "0600", 0o600)]
            as [(String, String?, mode_t)])
    func mode(_ umask: String, _ mode: String?, _ expected: mode_t) async throws {
        try await onOwnThread {
            let site = try Site()
            let daemon = try site.daemon(
                environment: mode.map { ["LONGTAKE_HTTP_UNIX_SOCKET_MODE=\($0)"] } ?? [], umask: umask)
            #expect(site.status?.mode == S_IFSOCK | expected)
            #expect(try site.answers)
            #expect(daemon.stop() == 0)
        }
    }

    @Test("the group of http.unix_socket_group can connect, and other users cannot", .enabled(if: geteuid() == 0))
    func group() async throws {
        try await onOwnThread {
            let site = try Site()
            try #require(chmod(site.directory, 0o711) == 0)
            let group = try #require(getgrnam("www-data")).pointee.gr_gid
            let daemon = try site.daemon(environment: ["LONGTAKE_HTTP_UNIX_SOCKET_GROUP=www-data"], umask: "0077")
            #expect(site.status?.group == group)
            func connects(_ groups: String) throws -> Bool {
                let script =
                    "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.send(b'GET /healthz HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n'); sys.exit(b' 200 ' not in s.recv(99))"
                var actions = posix_spawn_file_actions_t()
                posix_spawn_file_actions_init(&actions)
                defer { posix_spawn_file_actions_destroy(&actions) }
                posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
                let pid = try DaemonProcess.spawn(
                    path: "/usr/bin/setpriv",
                    [
                        "setpriv", "--reuid=65534", "--regid=65534", groups, "--", "/usr/bin/python3", "-c", script,
                        site.path,
                    ], [], &actions)
                var status: CInt = 0
                waitpid(pid, &status, 0)
                return status == 0
            }
            #expect(try connects("--groups=\(group)"))
            #expect(try !connects("--clear-groups"))
            #expect(daemon.stop() == 0)
        }
    }

    @Test("startup fails if the daemon's user is not a member of the group", .enabled(if: geteuid() == 0))
    func otherGroup() async throws {
        try await onOwnThread {
            let site = try Site()
            try #require(chmod(site.directory, 0o777) == 0)
            let (status, output) = try DaemonProcess.run(
                ["serve", "--port", "0", "--data", site.directory + "/data", "--unix-socket", site.path],
                environment: ["LONGTAKE_HTTP_UNIX_SOCKET_GROUP=www-data"],
                wrapper: ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            #expect(status == 1)
            #expect(output.contains("Make the daemon's user a member of that group"), "\(output)")
            #expect(site.inode == nil, "and leaves no file")
        }
    }
}

/// A directory with the path of a socket for one test.
private final class Site {
    let directory: String

    init() throws { directory = try DaemonProcess.temporaryDirectory() }

    deinit { DaemonProcess.remove(directory) }

    var path: String { directory + "/s" }

    func daemon(environment: [String] = [], umask: String = "0022") throws -> DaemonProcess {
        let daemon = try DaemonProcess(
            arguments: ["--unix-socket", path], environment: environment,
            wrapper: ["/bin/sh", "-c", "umask \(umask); exec \"$0\" \"$@\""])
        try waitForAnswer(of: daemon)
        return daemon
    }

    /// The daemon answers on its port before it listens on the next address, so this waits for the
    /// socket.
    func waitForAnswer(of daemon: DaemonProcess) throws {
        let deadline = Deadline(20)
        while (try? answers) != true {
            try #require(!deadline.isOver, "\(daemon.log)")
            poll(nil, 0, 5)
        }
    }

    func startAnother() throws -> (status: CInt, output: String) {
        try DaemonProcess.run(["serve", "--port", "0", "--data", directory + "/other", "--unix-socket", path])
    }

    /// The file at the path; `nil` if there is none.
    var status: FileStatus? { FileStatus(path) }

    var inode: UInt64? { status?.inode }

    var answers: Bool {
        get throws {
            try Socket(path: path).exchange("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200
        }
    }

    func listen(backlog: CInt) throws -> CInt {
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
        }
        try #require(result == 0 && Glibc.listen(descriptor, backlog) == 0)
        return descriptor
    }
}
