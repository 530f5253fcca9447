import ArgumentParser
import FoundationEssentials

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
