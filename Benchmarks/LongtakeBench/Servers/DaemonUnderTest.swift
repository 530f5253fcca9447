import ArgumentParser
import FoundationEssentials
import Glibc
import LongtakeCore

/// The measured daemon. The driver starts it with its own directory, or the user has started it.
struct DaemonUnderTest: Sendable {
    let port: Int
    let meter: ProcessMeter
    private let process: ChildProcess?
    private let scratch: ScratchDirectory?

    /// A daemon that the user has started. Its process is unknown.
    init(runningOn port: Int) {
        self.port = port
        meter = ProcessMeter(processes: [])
        process = nil
        scratch = nil
    }

    private init(port: Int, process: ChildProcess, daemon: pid_t, scratch: ScratchDirectory) {
        self.port = port
        self.process = process
        self.scratch = scratch
        meter = ProcessMeter(processes: [daemon])
    }

    /// Starts a daemon with a new database, and waits until it is ready.
    /// - Parameter syncDelayMilliseconds: is added to each disk sync, by tracing the daemon.
    static func start(
        _ binary: String, _ settings: DaemonSettings, in parent: String, syncDelayMilliseconds: Int = 0
    ) async throws -> DaemonUnderTest {
        let scratch = try ScratchDirectory(in: parent)
        try scratch.write(settings.daemonYAML, to: "longtake.yaml")
        try scratch.write(settings.pipelinesYAML, to: "pipelines.yaml")
        let arguments = [
            "serve", "--config", scratch.path + "/longtake.yaml", "--data", scratch.path + "/data", "--port", "0",
        ]
        let isTraced = syncDelayMilliseconds > 0
        let process =
            isTraced
            ? try ChildProcess(
                try SlowDisk.stracePath(), SlowDisk.arguments(syncDelayMilliseconds) + [binary] + arguments)
            : try ChildProcess(binary, arguments)
        let port = try await process.awaitOutput(within: 30, Self.port)
        let daemon = isTraced ? ProcessTable.children(of: process.id).first : process.id
        guard let daemon else { throw BenchFailure("cannot find the process of the traced daemon") }
        return DaemonUnderTest(port: port, process: process, daemon: daemon, scratch: scratch)
    }

    /// Stops the daemon if the driver has started it, and removes its database.
    func stop() async throws {
        try await process?.stop()
        scratch?.remove()
    }

    /// The current size of the WAL; `nil` if its file is unknown or missing.
    var walBytes: Int? {
        guard let scratch else { return nil }
        var status = stat()
        return stat(scratch.path + "/data/longtake.db-wal", &status) == 0 ? Int(status.st_size) : nil
    }

    /// The port in the log line `ready`.
    private static func port(in output: String) -> Int? {
        for line in output.split(separator: "\n") {
            guard let record = try? JSONText.decode(JSONValue.self, from: String(line)), record["msg"]?.text == "ready",
                let address = record["addresses"]?.text?.split(separator: " ").first
            else { continue }
            return address.split(separator: ":").last.flatMap { Int($0) }
        }
        return nil
    }
}

/// Simulates a slow disk: `strace` delays each return of fdatasync(2).
private enum SlowDisk {
    static func stracePath() throws -> String {
        let paths = ["/usr/bin/strace", "/usr/local/bin/strace"]
        guard let path = paths.first(where: { access($0, X_OK) == 0 }) else {
            throw BenchFailure("--sync-delay-ms needs strace. Install it: apt-get install strace")
        }
        return path
    }

    /// With `--seccomp-bpf`, only this system call stops. The others run at full speed.
    static func arguments(_ milliseconds: Int) -> [String] {
        [
            "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e",
            "inject=fdatasync:delay_exit=\(milliseconds * 1000)", "--",
        ]
    }
}

/// The options that select the measured daemon.
struct DaemonOptions: ParsableArguments {
    @Option(help: "The path of the daemon's binary. By default it is in the directory of this program.")
    var longtake: String?
    @Option(
        help: """
            Measure a daemon that you have started, such as http://127.0.0.1:8080, instead of starting one. It needs the settings that \
            `longtake-bench configuration` writes. Its processor time and memory are not measured.
            """)
    var url: String?

    func validate() throws {
        if let url, LoopbackURL(url) == nil {
            throw ValidationError("--url must be http://127.0.0.1:PORT or http://localhost:PORT")
        }
        if url == nil, !FileManager.default.isExecutableFile(atPath: binary) {
            throw ValidationError(
                "No daemon at \(binary). Build it (`swift build --product longtake`), or pass its path with --longtake."
            )
        }
    }

    var binary: String { longtake ?? Self.defaultBinary }

    /// Starts the daemon, or uses the one at `--url`.
    func open(_ settings: DaemonSettings, in directory: String, syncDelayMilliseconds: Int = 0) async throws
        -> DaemonUnderTest
    {
        try settings.check()
        if let url, let address = LoopbackURL(url) { return DaemonUnderTest(runningOn: address.port) }
        return try await DaemonUnderTest.start(
            binary, settings, in: directory, syncDelayMilliseconds: syncDelayMilliseconds)
    }

    /// The path of this program.
    static var ownBinary: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }

    private static var defaultBinary: String {
        ownBinary.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/longtake"
    }
}

/// `http://127.0.0.1:PORT` or `http://localhost:PORT`. The driver puts no load on other machines.
private struct LoopbackURL {
    let port: Int

    init?(_ text: String) {
        let rest = text.hasSuffix("/") ? text.dropLast() : text[...]
        for host in ["http://127.0.0.1:", "http://localhost:"] where rest.hasPrefix(host) {
            guard let port = Int(rest.dropFirst(host.count)), (1...65_535).contains(port) else { return nil }
            self.port = port
            return
        }
        return nil
    }
}
