import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

/// The process as an operator sees it: settings, sockets, a second daemon on the same directory.
@Suite(.serialized) struct ProcessTests {
    @Test("an error in the settings makes startup fail with the file, the key and the reason")
    func mistakes() async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let file = directory + "/longtake.yaml"
            for (text, key) in [
                ("http: {prot: 8080}", "http.prot"), ("http: {port: 99999}", "http.port"),
                ("queues: {gpu: {workers: many}}", "queues.gpu"),
                ("log: {level: loud}", "log.level"), ("stream: 5", "stream"),
                ("pipelines: missing.yaml", "missing.yaml"),
            ] {
                try text.write(toFile: file, atomically: true, encoding: .utf8)
                let (status, output) = try DaemonProcess.run(["serve", "--config", file, "--data", directory + "/data"])
                #expect(status == 78, "\(text)")
                #expect(output.contains(key) && output.contains(directory), "\(output)")
                #expect(output.split(separator: "\n").count == 1, "one line: \(output)")
            }
            let (status, output) = try DaemonProcess.run(["check"], environment: ["LONGTAKE_HTTP_PROT=1"])
            #expect(status == 78)
            #expect(output.contains("LONGTAKE_HTTP_PROT"))
        }
    }

    @Test("check prints the settings in force as a valid settings file")
    func check() async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let (status, output) = try DaemonProcess.run(
                ["check", "--port", "9001"], environment: ["LONGTAKE_HTTP_PORT=9000"])
            #expect(status == 0)
            #expect(output.contains("port: 9001"), "a flag overrides a variable")
            try output.write(toFile: directory + "/longtake.yaml", atomically: true, encoding: .utf8)
            let again = try DaemonProcess.run(["check", "--config", directory + "/longtake.yaml"])
            #expect(again.status == 0)
            #expect(again.output.split(separator: "\n").dropFirst() == output.split(separator: "\n").dropFirst())
        }
    }

    @Test("config/longtake.yaml documents every key with its default")
    func documentedDefaults() async throws {
        try await onOwnThread {
            let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(
                separator: "/")
            let builtIn = try DaemonProcess.run(["check"])
            let documented = try DaemonProcess.run(["check", "--config", root + "/config/longtake.yaml"])
            #expect(builtIn.status == 0)
            #expect(documented.status == 0)
            let lines = builtIn.output.split(separator: "\n")
            #expect(documented.output.split(separator: "\n").dropFirst(2) == lines.dropFirst(2))
            #expect(lines.contains("# text-to-video (default): 8 stages, 200 s at speed 1"))
            let file = try String(contentsOfFile: root + "/config/longtake.yaml", encoding: .utf8)
            for line in lines where !line.hasPrefix("#") {
                let key = line.drop { $0 == " " }.prefix { $0 != ":" }
                #expect(file.contains("\(key):"), "\(key) is documented")
            }
        }
    }

    @Test("a second daemon on the same directory exits with a clear message, and the first continues")
    func second() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "100")
            let id = try daemon.submit()
            let port = try DaemonProcess.freePort()
            let (status, output) = try DaemonProcess.run([
                "serve", "--data", daemon.directory + "/data", "--port", "\(port)",
            ])
            #expect(status == 1)
            #expect(output.contains("another"), "\(output)")
            try daemon.wholeLog(of: id).checkWhole()
        }
    }

    @Test("serves on a Unix socket, and replaces the socket of a killed daemon")
    func unixSocket() async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let daemon = try DaemonProcess("--speed", "400", "--unix-socket", directory + "/socket")
            daemon.kill()
            try daemon.start()
            let id = try daemon.submit()
            let reader = try EventReader(
                Socket(path: directory + "/socket"), "GET /v1/jobs/\(id)/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try JobLog(try reader.rest()).checkWhole()
        }
    }

    @Test("uses a socket from the service manager instead of the addresses in the settings")
    func inheritedSocket() async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            defer { close(listener) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr = in_addr(s_addr: UInt32(0x7f00_0001).bigEndian)
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = bind(listener, $0, size)
                    _ = listen(listener, 16)
                    getsockname(listener, $0, &size)
                }
            }
            // A client that connects before the daemon starts waits for it.
            let early = try Socket(port: Int(UInt16(bigEndian: address.sin_port)))
            try early.send("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")

            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_addopen(&actions, 2, directory + "/log", O_WRONLY | O_CREAT, 0o600)
            posix_spawn_file_actions_adddup2(&actions, listener, 3)
            let script = #"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@""#
            let pid = try DaemonProcess.spawn(
                path: "/bin/sh",
                ["sh", "-c", script, DaemonProcess.binary, "serve", "--port", "1", "--data", directory + "/data"], [],
                &actions)
            defer {
                kill(pid, SIGKILL)
                var status: CInt = 0
                waitpid(pid, &status, 0)
            }
            #expect(try early.readResponse().status == 200)
        }
    }
}
