import FoundationEssentials
import Glibc
import Testing

@testable import LongtakeCommands

/// Programs that try what Landlock refuses.
@Suite(.enabled(if: CommandSupport.probe().canConfine))
struct ConfinementTests {
    /// Each attempt prints its name and the error that it got.
    private static let attempts = """
        import errno, os, signal, socket, stat, sys
        def attempt(name, work):
            try:
                work()
                print(name, 'allowed')
            except OSError as error:
                print(name, errno.errorcode[error.errno])
        data, other, root, daemon, name = (os.environ[key] for key in ('DATA', 'OTHER', 'ROOT', 'DAEMON', 'SOCKET'))
        def connect():
            with socket.socket(socket.AF_UNIX) as client: client.connect('\\0' + name)
        open('own', 'w').close()
        attempt('read data', lambda: open(data + '/secret').read())
        attempt('list data', lambda: os.listdir(data))
        attempt('read other', lambda: open(other + '/secret').read())
        attempt('truncate other', lambda: os.truncate(other + '/secret', 0))
        attempt('write outside', lambda: open(root + '/new', 'w'))
        attempt('make directory outside', lambda: os.mkdir(root + '/directory'))
        attempt('read root', lambda: os.listdir('/root'))
        attempt('read shadow', lambda: open('/etc/shadow').read())
        attempt('shared memory', lambda: open('/dev/shm/' + name, 'w'))
        attempt('temporary', lambda: open('/tmp/' + name, 'w'))
        attempt('signal daemon', lambda: os.kill(int(daemon), 0))
        attempt('environment of supervisor', lambda: open('/proc/%d/environ' % os.getppid()).read())
        attempt('memory of daemon', lambda: open('/proc/%s/mem' % daemon, 'rb'))
        attempt('device', lambda: os.mknod('device', stat.S_IFCHR | 0o600, os.makedev(1, 3)))
        attempt('block device', lambda: os.mknod('block', stat.S_IFBLK | 0o600, os.makedev(254, 0)))
        attempt('link in', lambda: os.link(other + '/secret', 'linked'))
        attempt('link out', lambda: os.link('own', root + '/linked'))
        attempt('move out', lambda: os.rename('own', root + '/moved'))
        attempt('abstract socket', connect)
        attempt('own file', lambda: open('own', 'w').write('text'))
        attempt('own directory', lambda: (os.mkdir('a'), os.rename('own', 'a/own'), os.link('a/own', 'b'), os.unlink('b')))
        attempt('own link', lambda: os.symlink(data + '/secret', 'symbolic'))
        attempt('read over link', lambda: open('symbolic').read())
        attempt('own socket', lambda: socket.socket(socket.AF_UNIX).bind('socket'))
        attempt('own process', lambda: os.kill(os.getpid(), 0))
        attempt('null', lambda: open('/dev/null', 'w').write('text'))
        attempt('random', lambda: open('/dev/urandom', 'rb').read(1))
        attempt('write random', lambda: open('/dev/urandom', 'wb').write(b'a'))
        attempt('libraries', lambda: os.listdir('/usr/lib'))
        attempt('users', lambda: open('/etc/passwd').read())
        attempt('remove outside', lambda: os.unlink(other + '/secret'))
        for path in ('/dev/shm/' + name, '/tmp/' + name):
            if os.path.exists(path): os.unlink(path)
        sys.stdout.flush()
        attempt('signal supervisor', lambda: os.kill(os.getppid(), signal.SIGKILL))
        """

    private func results(_ bench: ProgramBench, isConfined: Bool) async throws -> [String: String] {
        let name = "longtake-" + bench.nonce
        let listener = try AbstractListener(name)
        defer { withExtendedLifetime(listener) {} }
        var launch = bench.launch(["python3", "-c", Self.attempts], isConfined: isConfined)
        launch.environment["DAEMON"] = "\(getpid())"
        launch.environment["SOCKET"] = name
        let output = try await bench.run(launch).output
        return Dictionary(
            uniqueKeysWithValues: output.split(separator: "\n").compactMap { line in
                line.lastIndex(of: " ").map { (String(line[..<$0]), String(line[line.index(after: $0)...])) }
            })
    }

    @Test("refuses what is outside, and allows what is inside")
    func attempts() async throws {
        let results = try await results(ProgramBench(), isConfined: true)
        let refused = [
            "read data", "list data", "read other", "write outside", "make directory outside", "remove outside",
            "read root", "read shadow", "shared memory", "temporary", "environment of supervisor", "memory of daemon",
            "read over link", "write random",
        ]
        for name in refused { #expect(["EACCES", "EPERM"].contains(results[name]), "\(name): \(results[name] ?? "")") }
        // Without the rule these would get EPERM, because a confined program has no capabilities.
        for name in ["device", "block device"] { #expect(results[name] == "EACCES", "\(name)") }
        for name in ["link in", "link out", "move out"] {
            #expect(["EACCES", "EXDEV"].contains(results[name]), "\(name): \(results[name] ?? "")")
        }
        let support = CommandSupport.probe()
        if support.refusesTruncation { #expect(results["truncate other"] == "EACCES") }
        if support.scopesSignals {
            for name in ["signal daemon", "signal supervisor", "abstract socket"] {
                #expect(results[name] == "EPERM", "\(name)")
            }
        }
        for name in [
            "own file", "own directory", "own link", "own socket", "own process", "null", "random", "libraries",
            "users",
        ] {
            #expect(results[name] == "allowed", "\(name)")
        }
        #expect(results.count >= 32)
    }

    /// If an attempt failed for another reason than the rules, the test above would prove nothing.
    @Test("without confinement all of that is allowed", .enabled(if: getuid() == 0))
    func unconfined() async throws {
        let results = try await results(ProgramBench(), isConfined: false)
        // The last attempt kills the supervisor, and then the daemon kills the program.
        #expect(results.count >= 31)
        for (name, result) in results { #expect(result == "allowed", "\(name): \(result)") }
    }

    @Test("takes the capabilities of root away")
    func capabilities() async throws {
        let bench = try ProgramBench()
        let (_, output) = try await bench.run(
            bench.launch(["grep", "-E", "CapPrm|CapEff|CapAmb", "/proc/self/status"]))
        #expect(output.split(separator: "\n").count == 3)
        #expect(output.split(separator: "\n").allSatisfy { $0.hasSuffix("\t0000000000000000") })
    }

    @Test("reads and executes below read_paths, and writes below write_paths; missing paths are skipped")
    func paths() async throws {
        let bench = try ProgramBench()
        for name in ["tools", "cache"] { mkdir("\(bench.root)/\(name)", 0o700) }
        let tool = bench.root + "/tools/tool"
        try Data("#!/bin/sh\necho \"$1\" > \"$ROOT/cache/new\" && echo fail > \"$ROOT/tools/new\"\n".utf8)
            .write(to: URL(filePath: tool))
        chmod(tool, 0o700)
        let launch = bench.launch(
            [tool, "text"], readPaths: [bench.root + "/tools", "/no/such"], writePaths: [bench.root + "/cache"])
        let end = try await bench.run(launch).end
        #expect(end == .exited(status: 2), "\(end)")
        #expect(try String(contentsOfFile: bench.root + "/cache/new", encoding: .utf8) == "text\n")
        #expect(access(bench.root + "/tools/new", F_OK) != 0)
        await #expect(throws: ProgramStartError.self) { try await bench.starter.start(bench.launch([tool])) }
    }

    @Test("refuses to start with a path that contains the data directory")
    func dataDirectory() async throws {
        let bench = try ProgramBench()
        await #expect(throws: ProgramStartError.self) {
            try await bench.starter.start(bench.launch(["true"], readPaths: [bench.root]))
        }
    }
}

/// A listening socket without a file.
private final class AbstractListener {
    private let descriptor: CInt

    init(_ name: String) throws {
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = [0] + Array(name.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        try #require(result == 0)
        try #require(listen(descriptor, 4) == 0)
    }

    deinit { close(descriptor) }
}
