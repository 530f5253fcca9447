import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

/// If startup fails, the message says what is wrong, where it was set and what to do. The tests
/// compare whole messages.
@Suite(.serialized) struct StartErrorTests {
    /// A start that fails. `DIR` stands for its directory, which contains a file `file`, and
    /// `c.yaml` with the text of `yaml`.
    struct Start: Sendable, CustomTestStringConvertible {
        var command = "serve"
        var flags: [String] = []
        var environment: [String] = []
        var yaml: String?
        let status: CInt
        /// The printed line if the settings are invalid. Otherwise the `error` of the last log
        /// record, with its `setting` in brackets.
        let message: String

        var testDescription: String { message }

        func text(_ text: String, _ directory: String) -> String { text.replacing("DIR", with: directory) }
    }

    private static let anonymous =
        "can be reached from other machines, but the daemon requires no API key. Set auth.mode to keys and create keys with longtake keys create, or use --allow-anonymous if every client may do everything."

    static let settings: [Start] = [
        Start(
            flags: ["--host", "[::1]"], status: 78,
            message: "longtake: command line: --host: “[::1]” has brackets. Write ::1."),
        Start(
            flags: ["--host", "127.0.0.1:9999"], status: 78,
            message:
                "longtake: command line: --host: “127.0.0.1:9999” contains a port. Write 127.0.0.1, and set http.port (--port) to 9999."
        ),
        Start(
            environment: ["LONGTAKE_HTTP_HOST=127.0.0.1,[::1]"], status: 78,
            message: "longtake: environment: LONGTAKE_HTTP_HOST: “[::1]” has brackets. Write ::1."),
        Start(
            yaml: "http: {host: ['127.0.0.1:80']}", status: 78,
            message:
                "longtake: DIR/c.yaml: http.host: “127.0.0.1:80” contains a port. Write 127.0.0.1, and set http.port (--port) to 80."
        ),
        Start(
            yaml: "http: {host: []}", status: 78,
            message:
                "longtake: DIR/c.yaml: http.host: is empty, so the daemon would not listen on any address. Set a host name or an address."
        ),
        Start(
            flags: ["--host", ""], status: 78,
            message:
                "longtake: command line: --host: is empty, so the daemon would not listen on any address. Set a host name or an address."
        ),
        Start(
            flags: ["--host", "::1", "--host", "::1"], status: 78,
            message:
                "longtake: command line: --host: must be a list of host names or addresses without duplicates, not “::1,::1”"
        ),
        Start(
            flags: ["--host", "127.0.0.1", "--host", "0.0.0.0"], status: 78,
            message: "longtake: command line: --host: 0.0.0.0 \(anonymous)"),
        Start(
            yaml: "http: {host: ['::1', '192.0.2.1']}", status: 78,
            message: "longtake: DIR/c.yaml: http.host: 192.0.2.1 \(anonymous)"),
        Start(
            environment: ["LONGTAKE_HTTP_PORT=abc"], status: 78,
            message: "longtake: environment: LONGTAKE_HTTP_PORT: must be a whole number from 0 to 65535, not “abc”"),
        Start(
            environment: ["LONGTAKE_HTTP_PROT=1"], status: 78,
            message:
                "longtake: environment: LONGTAKE_HTTP_PROT: is not a setting. Remove it or correct its name. config/longtake.yaml lists all settings."
        ),
        Start(
            environment: ["LONGTAKE_HTTP_ALLOWED_HOSTS=*"], status: 78,
            message:
                "longtake: environment: LONGTAKE_HTTP_ALLOWED_HOSTS: * would let every web page control a daemon that requires no API key, because a page can point its own host name to this machine. List the host names, or set auth.mode to keys."
        ),
        Start(
            yaml: "http: {allowed_hosts: ['*example.org']}", status: 78,
            message:
                "longtake: DIR/c.yaml: http.allowed_hosts: must be a list of host names without a port, such as longtake.example.org or *.example.org, or * if auth.mode is keys, not “*example.org”"
        ),
        Start(
            flags: ["--unix-socket", String(repeating: "s", count: 108)], status: 78,
            message:
                "longtake: command line: --unix-socket: “\(String(repeating: "s", count: 108))” has 108 bytes. The system allows 107 bytes for the path of a Unix socket. Choose a shorter path."
        ),
        Start(
            yaml: "http: {unix_socket_mode: 999}", status: 78,
            message:
                "longtake: DIR/c.yaml: http.unix_socket_mode: must be permissions in octal, such as 0660, not “999”"),
        Start(
            flags: ["--config", "DIR/none.yaml"], status: 78,
            message:
                "longtake: command line: --config: DIR/none.yaml does not exist. Choose a file that can be read, or omit it to use the defaults."
        ),
        Start(
            flags: ["--config", "DIR/file/c.yaml"], status: 78,
            message:
                "longtake: command line: --config: DIR/file/c.yaml does not exist, because a part of its path is a file. Choose a file that can be read, or omit it to use the defaults."
        ),
        Start(
            command: "check", environment: ["LONGTAKE_CONFIG=DIR"], status: 78,
            message:
                "longtake: environment: LONGTAKE_CONFIG: DIR is a directory. Choose a file that can be read, or omit it to use the defaults."
        ),
        Start(
            yaml: "pipelines: none.yaml", status: 78,
            message:
                "longtake: DIR/c.yaml: pipelines: DIR/none.yaml does not exist. Choose a file that can be read, or omit the setting to use the built-in pipelines."
        ),
        Start(
            yaml: "http: [", status: 78,
            message: "longtake: DIR/c.yaml: is not valid YAML: line 2, column 1: did not find expected node content"),
        Start(
            command: "check", flags: ["--data", "DIR/file"], status: 1,
            message: "longtake: DIR/file is not a directory. Name the directory of a database."),
    ]

    static let failures: [Start] = [
        Start(
            flags: ["--data", "DIR/file"], status: 1,
            message:
                "DIR/file is a file, and the data needs a directory. Give the daemon a directory that it may write to. [--data]"
        ),
        Start(
            flags: ["--data", "DIR/file/data"], status: 1,
            message:
                "cannot create the directory DIR/file/data, since a part of its path is a file. Give the daemon a directory that it may write to. [--data]"
        ),
        Start(
            environment: ["LONGTAKE_STORAGE_PATH=/dev/null/data"], status: 1,
            message:
                "cannot create the directory /dev/null/data, since a part of its path is a file. Give the daemon a directory that it may write to. [LONGTAKE_STORAGE_PATH]"
        ),
        Start(
            yaml: "storage: {path: DIR/data}\nauth: {keys_file: DIR}", status: 1,
            message:
                "DIR is a directory. Make it readable for the daemon's user only. [auth.keys_file in DIR/c.yaml]"
        ),
        Start(
            flags: ["--data", "DIR/data", "--unix-socket", "DIR/none/socket"], status: 1,
            message:
                "The directory DIR/none of the Unix socket does not exist. Create it, or choose another path with --unix-socket. [--unix-socket]"
        ),
        Start(
            flags: ["--data", "DIR/data", "--unix-socket", "DIR/file/socket"], status: 1,
            message:
                "DIR/file is not a directory, so no Unix socket can be in it. Correct the path, or choose another path with --unix-socket. [--unix-socket]"
        ),
        Start(
            environment: ["LONGTAKE_STORAGE_PATH=DIR/data", "LONGTAKE_HTTP_UNIX_SOCKET=DIR/file"], status: 1,
            message:
                "DIR/file is a file that is not a socket, so the daemon does not replace it. Remove it, or choose another path with --unix-socket. [LONGTAKE_HTTP_UNIX_SOCKET]"
        ),
        Start(
            yaml: "storage: {path: DIR/data}\nhttp: {unix_socket: DIR/data}", status: 1,
            message:
                "DIR/data is a directory, so the daemon does not replace it. Remove it, or choose another path with --unix-socket. [http.unix_socket in DIR/c.yaml]"
        ),
        Start(
            flags: ["--data", "DIR/data", "--unix-socket", "DIR/socket"],
            environment: ["LONGTAKE_HTTP_UNIX_SOCKET_GROUP=no-such-group"], status: 78,
            message:
                "This machine has no group no-such-group. Create it, or choose another group in http.unix_socket_group. [LONGTAKE_HTTP_UNIX_SOCKET_GROUP]"
        ),
        Start(
            flags: ["--data", "DIR/data", "--host", "192.0.2.1", "--allow-anonymous"], status: 1,
            message:
                "This machine does not have the address 192.0.2.1. Choose one of its addresses with --host. [--host]"
        ),
        Start(
            flags: ["--data", "DIR/data", "--host", "longtake.invalid", "--allow-anonymous"], status: 1,
            message:
                "The host name longtake.invalid has no address here. Correct it, or choose an address with --host. [--host]"
        ),
        Start(
            flags: ["--data", "DIR/data", "--host", "127.0.0.1", "--host", "localhost"], status: 1,
            message:
                "localhost resolves to 127.0.0.1, which is listed as well. Name each address once in http.host (--host). [--host]"
        ),
    ]

    // Before, the line did not name the source and contained a library's own error text.
    @Test(
        "prints one line about an invalid setting: what is wrong, where it was set and what to do",
        arguments: settings)
    func invalidSetting(_ start: Start) async throws {
        try await onOwnThread {
            let (status, output, directory) = try Self.run(start)
            #expect(status == start.status)
            #expect(output == start.text(start.message, directory) + "\n")
        }
    }

    @Test("logs why a later step of startup failed, where the cause was set and what to do", arguments: failures)
    func failure(_ start: Start) async throws {
        try await onOwnThread {
            let (status, output, directory) = try Self.run(start)
            #expect(status == start.status)
            #expect(try Self.lastError(output) == start.text(start.message, directory), "\(output)")
            #expect(!output.contains("NIO") && !output.contains("errno") && !output.contains("Cocoa"), "\(output)")
        }
    }

    @Test("names the source of the setting that chose a port in use")
    func port() async throws {
        try await onOwnThread {
            let other = try DaemonProcess()
            let text =
                "Port \(other.port) is already in use. Stop the other program or choose another port with --port."
            for (start, source) in [
                (Start(flags: ["--port", "\(other.port)"], status: 1, message: ""), "--port"),
                (
                    Start(environment: ["LONGTAKE_HTTP_PORT=\(other.port)"], status: 1, message: ""),
                    "LONGTAKE_HTTP_PORT"
                ),
                (Start(yaml: "http: {port: \(other.port)}", status: 1, message: ""), "http.port in DIR/c.yaml"),
            ] {
                var start = start
                start.environment.append("LONGTAKE_STORAGE_PATH=DIR/data")
                let (status, output, directory) = try Self.run(start)
                #expect(status == 1)
                #expect(try Self.lastError(output) == start.text("\(text) [\(source)]", directory))
            }
        }
    }

    // This test failed when the database was not closed: the epoch changed, and a critical record
    // reported a lost WAL.
    @Test("closes the database properly when it cannot listen")
    func database() async throws {
        try await onOwnThread {
            let other = try DaemonProcess()
            let daemon = try DaemonProcess()
            let epoch = try daemon.submit()
            #expect(daemon.stop() == 0)
            for _ in 0..<2 {
                let failed = try DaemonProcess.run([
                    "serve", "--data", daemon.directory + "/data", "--port", "\(other.port)",
                ])
                #expect(failed.status == 1)
                #expect(!failed.output.contains("longtake.db-wal was removed"), "\(failed.output)")
            }
            try daemon.start()
            #expect(!daemon.log.contains("longtake.db-wal was removed"), "\(daemon.log)")
            #expect(try daemon.get("/v1/jobs/\(epoch)").status == 200)
        }
    }

    @Test("says that this user may not read the settings file", .enabled(if: geteuid() == 0))
    func unreadable() async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            try #require(chmod(directory, 0o755) == 0)
            let file = directory + "/c.yaml"
            try "".write(toFile: file, atomically: true, encoding: .utf8)
            try #require(chmod(file, 0o600) == 0)
            let (status, output) = try DaemonProcess.run(
                ["check", "--config", file],
                wrapper: ["/usr/bin/setpriv", "--reuid=65534", "--clear-groups", "--"])
            #expect(status == 78)
            #expect(
                output
                    == "longtake: command line: --config: this user may not read \(file). Choose a file that can be read, or omit it to use the defaults.\n"
            )
        }
    }

    private static func run(_ start: Start) throws -> (status: CInt, output: String, directory: String) {
        let directory = try DaemonProcess.temporaryDirectory()
        defer { DaemonProcess.remove(directory) }
        try "x".write(toFile: directory + "/file", atomically: true, encoding: .utf8)
        var arguments = [start.command] + start.flags.map { start.text($0, directory) }
        if let yaml = start.yaml {
            try start.text(yaml + "\n", directory).write(
                toFile: directory + "/c.yaml", atomically: true, encoding: .utf8)
            arguments += ["--config", directory + "/c.yaml"]
        }
        // The default port may be in use on this machine.
        var environment = start.environment.map { start.text($0, directory) }
        if !(start.flags + start.environment + [start.yaml ?? ""]).contains(where: { $0.lowercased().contains("port") })
        {
            environment.append("LONGTAKE_HTTP_PORT=0")
        }
        let (status, output) = try DaemonProcess.run(arguments, environment: environment)
        return (status, output, directory)
    }

    /// The `error` of the last record, and its `setting` in brackets.
    private static func lastError(_ output: String) throws -> String {
        let line = try #require(output.split(separator: "\n").last)
        let record = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
        #expect(record["level"] == "critical")
        return "\(record["error"] ?? "") [\(record["setting"] ?? "")]"
    }
}
