import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

/// The addresses on which the daemon listens, and how it reports them.
@Suite(.serialized) struct ListenTests {
    @Test("ignores the variables of Kubernetes Services and names them in one log line")
    func kubernetes() async throws {
        try await onOwnThread {
            let names = [
                "LONGTAKE_HTTP_PORT=tcp://10.0.0.1:80", "LONGTAKE_HTTP_PORT_80_TCP=tcp://10.0.0.1:80",
                "LONGTAKE_HTTP_PORT_80_TCP_ADDR=10.0.0.1", "LONGTAKE_HTTP_PORT_80_TCP_PORT=80",
                "LONGTAKE_HTTP_PORT_80_TCP_PROTO=tcp", "LONGTAKE_HTTP_SERVICE_HOST=10.0.0.1",
                "LONGTAKE_HTTP_SERVICE_PORT=80", "LONGTAKE_HTTP_SERVICE_PORT_WEB=80", "LONGTAKE_PORT=tcp://10.0.0.2:80",
                "LONGTAKE_SERVICE_HOST=10.0.0.2",
            ]
            let daemon = try DaemonProcess(environment: names)
            let lines = daemon.log.split(separator: "\n").filter { $0.contains("ignored variables of Kubernetes") }
            #expect(lines.count == 1)
            let list = names.map { String($0.prefix { $0 != "=" }) }.joined(separator: " ")
            #expect(lines.first?.contains("\"\(list)\"") == true, "\(daemon.log)")
            let (status, output) = try DaemonProcess.run(["check"], environment: names)
            #expect(status == 0)
            #expect(
                output.contains("port: 8080") && output.contains("# ignored variables of Kubernetes Services: \(list)"))
        }
    }

    @Test("listens on the same port of all hosts, also if the port is 0")
    func hosts() async throws {
        try await onOwnThread {
            for (flags, environment) in [
                (["--host", "127.0.0.1", "--host", "::1"], []), ([], ["LONGTAKE_HTTP_HOST=127.0.0.1,::1"]),
            ] {
                let started = try Started(flags, environment)
                let addresses = try started.addresses
                let ports = addresses.compactMap { $0.split(separator: ":").last }
                try #require(ports.count == 2, "\(addresses)")
                #expect(addresses.map { $0.dropLast(ports[0].count) } == ["http://127.0.0.1:", "http://[::1]:"])
                #expect(ports[0] == ports[1] && ports[0] != "0", "\(addresses)")
                for host in ["127.0.0.1", "[::1]"] { #expect(try Self.curl("http://\(host):\(ports[0])/healthz") == 0) }
            }
        }
    }

    // This test failed without IPV6_V6ONLY, because `::` also took the port of 0.0.0.0.
    @Test("listens on all IPv4 and all IPv6 addresses at the same time")
    func all() async throws {
        try await onOwnThread {
            let started = try Started(["--host", "0.0.0.0", "--host", "::", "--allow-anonymous"], [])
            #expect(try started.addresses.count == 2)
        }
    }

    @Test("reports a port that is in use on the second host, and closes it on the first")
    func second() async throws {
        try await onOwnThread {
            let other = try Started(["--host", "::1"], [])
            let port = try #require(try other.addresses.first?.split(separator: ":").last)
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let (status, output) = try DaemonProcess.run([
                "serve", "--data", directory + "/data", "--host", "127.0.0.1", "--host", "::1", "--port", "\(port)",
            ])
            #expect(status == 1)
            #expect(output.contains("Port \(port) is already in use."), "\(output)")
        }
    }

    @Test("reports inherited sockets as addresses that a person can use", arguments: ["tcp", "unix"])
    func inherited(_ kind: String) async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let python = """
                import os, socket, sys
                s = socket.socket(socket.AF_UNIX if sys.argv[1] == "unix" else socket.AF_INET6)
                s.bind(sys.argv[2] + "/s" if sys.argv[1] == "unix" else ("::1", 0))
                s.listen()
                print(s.getsockname() if sys.argv[1] == "unix" else "http://[::1]:%d" % s.getsockname()[1], flush=True)
                os.dup2(s.fileno(), 3)
                os.set_inheritable(3, True)
                os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
                os.execv(sys.argv[3], sys.argv[3:])
                """
            let started = try Started(
                [], [], wrapper: ["/usr/bin/python3", "-c", python, kind, directory])
            let addresses = try started.addresses
            let address = try #require(started.log.split(separator: "\n").first)
            #expect(addresses == ["inherited:\(kind == "unix" ? "unix:" : "")\(address)"])
        }
    }

    private static func curl(_ url: String) throws -> CInt {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        let pid = try DaemonProcess.spawn(path: "/usr/bin/curl", ["curl", "-sfg", url], [], &actions)
        var status: CInt = 0
        waitpid(pid, &status, 0)
        return status
    }
}

/// A daemon on port 0, whose addresses are known from its log lines only.
private final class Started {
    private let directory: String
    private let pid: pid_t

    init(_ flags: [String], _ environment: [String], wrapper: [String] = []) throws {
        directory = try DaemonProcess.temporaryDirectory()
        pid = try DaemonProcess.spawn(
            ["serve", "--port", "0", "--data", directory + "/data"] + flags, environment: environment,
            log: directory + "/log", wrapper: wrapper)
    }

    deinit {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
        DaemonProcess.remove(directory)
    }

    var log: String { (try? String(contentsOfFile: directory + "/log", encoding: .utf8)) ?? "" }

    /// Waits for the record `ready`.
    var addresses: [String] {
        get throws {
            let deadline = Deadline(60)
            while !deadline.isOver {
                if let line = log.split(separator: "\n").first(where: { $0.contains("\"ready\"") }) {
                    let record = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
                    return record["addresses"]?.split(separator: " ").map(String.init) ?? []
                }
                poll(nil, 0, 5)
            }
            throw NotReady(log: log)
        }
    }

    private struct NotReady: Error {
        let log: String
    }
}
