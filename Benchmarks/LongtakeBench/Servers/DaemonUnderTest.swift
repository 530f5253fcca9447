import ArgumentParser
import FoundationEssentials
import Glibc
import LongtakeCore

/// A daemon that is measured: one that this run started, with a directory of its own, or one that runs elsewhere.
struct DaemonUnderTest: Sendable {
    let port: Int
    let meter: ProcessMeter
    private let process: ChildProcess?
    private let scratch: ScratchDirectory?

    /// A daemon that somebody else started; nothing is known of its process.
    init(running port: Int) {
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

    /// Starts a daemon on a fresh database and waits until it is ready.
    /// - Parameter syncDelayMilliseconds: makes each sync of the disk take so much longer, by tracing the daemon.
    static func start(
        _ binary: String, _ settings: BenchSettings, in parent: String, syncDelayMilliseconds: Int = 0
    ) async throws -> DaemonUnderTest {
        let scratch = try ScratchDirectory(in: parent)
        try scratch.write(settings.daemon, to: "longtake.yaml")
        try scratch.write(settings.pipelines, to: "pipelines.yaml")
        let arguments = [
            "serve", "--config", scratch.path + "/longtake.yaml", "--data", scratch.path + "/data", "--port", "0",
        ]
        let log = scratch.path + "/log"
        let isSlowed = syncDelayMilliseconds > 0
        let process =
            isSlowed
            ? try ChildProcess(
                try SlowDisk.tracer(), SlowDisk.arguments(syncDelayMilliseconds) + [binary] + arguments, log: log)
            : try ChildProcess(binary, arguments, log: log)
        let port = try await process.awaitOutput(within: 30, Self.port)
        let daemon = isSlowed ? ProcessTable.children(of: process.id).first : process.id
        guard let daemon else { throw BenchFailure("the traced daemon is not to be found") }
        return DaemonUnderTest(port: port, process: process, daemon: daemon, scratch: scratch)
    }

    /// Ends it, and removes its database.
    func stop() async throws {
        try await process?.stop()
        scratch?.remove()
    }

    /// The size of the write-ahead log at the moment; `nil` where its place is not known.
    var walBytes: Int? {
        guard let scratch else { return nil }
        var status = stat()
        return stat(scratch.path + "/data/longtake.db-wal", &status) == 0 ? Int(status.st_size) : nil
    }

    /// The port in the line that says the daemon is ready.
    private static func port(in log: String) -> Int? {
        for line in log.split(separator: "\n") {
            guard let record = try? JSONText.decode(JSONValue.self, from: String(line)), record["msg"]?.text == "ready",
                let address = record["addresses"]?.text?.split(separator: " ").first
            else { continue }
            return address.split(separator: ":").last.flatMap { Int($0) }
        }
        return nil
    }
}

/// A disk whose syncs take longer, for those who measure on a fast one: `strace` holds back each return of fdatasync(2).
enum SlowDisk {
    static func tracer() throws -> String {
        let places = ["/usr/bin/strace", "/usr/local/bin/strace"]
        guard let path = places.first(where: { access($0, X_OK) == 0 }) else {
            throw BenchFailure("--sync-delay-ms needs strace: apt-get install strace")
        }
        return path
    }

    /// Only the one system call stops, which seccomp sees to; the others run at full speed.
    static func arguments(_ milliseconds: Int) -> [String] {
        [
            "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e",
            "inject=fdatasync:delay_exit=\(milliseconds * 1000)", "--",
        ]
    }
}

/// Which daemon is measured.
struct DaemonOptions: ParsableArguments {
    @Option(help: "The daemon's binary; by default the one beside this one.")
    var longtake: String?
    @Option(
        help: """
            Measure a daemon that runs already, such as http://127.0.0.1:8080, instead of starting one. It needs the settings that \
            `longtake-bench configuration` writes; its processor time and memory are not known.
            """)
    var url: String?

    func validate() throws {
        if let url, LoopbackURL(url) == nil {
            throw ValidationError("--url is http://HOST:PORT with an IPv4 address on loopback, or localhost")
        }
        if url == nil, !FileManager.default.isExecutableFile(atPath: binary) {
            throw ValidationError(
                "there is no daemon at \(binary): build it (`swift build --product longtake`) or name it with --longtake"
            )
        }
    }

    var binary: String { longtake ?? Self.beside }

    /// Starts the daemon, or takes the one that runs.
    func open(_ settings: BenchSettings, in directory: String, syncDelayMilliseconds: Int = 0) async throws
        -> DaemonUnderTest
    {
        try settings.check()
        if let url, let address = LoopbackURL(url) { return DaemonUnderTest(running: address.port) }
        return try await DaemonUnderTest.start(
            binary, settings, in: directory, syncDelayMilliseconds: syncDelayMilliseconds)
    }

    static var ownBinary: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }

    private static var beside: String {
        ownBinary.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/longtake"
    }
}

/// `http://127.0.0.1:PORT`: the load stays on this machine.
struct LoopbackURL {
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
