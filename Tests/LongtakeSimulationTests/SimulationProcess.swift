import FoundationEssentials
import Glibc

/// Runs `longtake-simulation` to its end, in a process of its own, because it replaces Swift's
/// thread pool.
struct SimulationProcess: Sendable {
    /// 0 if every guarantee held; 128 or more if a signal ended it.
    let status: CInt
    let output: String

    struct DidNotStart: Error, CustomStringConvertible {
        let description: String
    }

    /// Waits on a separate thread, so that it blocks no thread of the other tests.
    static func run(_ arguments: [String]) async throws -> SimulationProcess {
        try await withCheckedThrowingContinuation { caller in
            let thread = Thread { caller.resume(with: Result { try runBlocking(arguments) }) }
            thread.start()
        }
    }

    private static func runBlocking(_ arguments: [String]) throws -> SimulationProcess {
        var template = Array("/tmp/longtake-test-XXXXXX".utf8CString)
        let file = mkstemp(&template)
        guard file >= 0 else { throw DidNotStart(description: "mkstemp: \(errno)") }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            close(file)
            unlink(path)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, file, 1)
        posix_spawn_file_actions_adddup2(&actions, file, 2)
        var argv = ([binary] + arguments).map { strdup($0) } + [nil]
        defer { for text in argv { free(text) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, binary, &actions, nil, &argv, environ)
        guard result == 0 else { throw DidNotStart(description: "\(binary): \(String(cString: strerror(result)))") }
        var status: CInt = 0
        waitpid(pid, &status, 0)
        let output = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        return SimulationProcess(
            status: status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f), output: output)
    }

    /// The build puts the program into the directory of the tests.
    private static let binary: String = {
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return bundle.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/longtake-simulation"
    }()
}

/// A thread for a blocking call.
private final class Thread {
    private let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) { self.run = run }

    func start() {
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<Thread>.fromOpaque(raw).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(result == 0, "cannot create a thread: \(result)")
        pthread_detach(thread)
    }
}
