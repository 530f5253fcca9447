import Dispatch
import FoundationEssentials
import Glibc
import Logging
import LongtakeTesting
import Synchronization

@testable import LongtakeCommands

/// Directories like those of a daemon, in which a test starts programs under real supervisors.
final class ProgramBench: Sendable {
    /// Contains everything else. Removed at the end.
    let root: String
    /// The data directory, with a file `secret`.
    let data: String
    /// The working directory of the program, inside of the data directory.
    let work: String
    /// The working directory of another program, with a file `secret`.
    let other: String
    let records: ProgramRecords
    let starter: SupervisorStarter
    private let lastNonce: Mutex<String>

    init(
        limits: SupervisorStarter.Limits = .init(), cgroups: String? = nil,
        checksDataDirectory: Bool = true
    ) throws {
        var template = Array("/tmp/longtake-commands-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CocoaError(.fileWriteUnknown) }
        root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        data = root + "/data"
        (work, other) = (data + "/work/one", data + "/work/two")
        for directory in [work, other] {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }
        for directory in [data, other] { try Data("secret".utf8).write(to: URL(filePath: directory + "/secret")) }
        records = ProgramRecords(directory: data + "/commands")
        let nonce = SupervisorStarter.randomNonce()
        lastNonce = Mutex(nonce)
        starter = SupervisorStarter(
            records: records, dataDirectory: checksDataDirectory ? data : nil, executable: Self.binary,
            cgroups: cgroups, limits: limits, makeNonce: { nonce },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    deinit {
        // A test that failed may have left programs.
        for process in processes { process.signal(SIGKILL) }
        try? FileManager.default.removeItem(atPath: root)
    }

    /// The nonce of all programs of this bench, which starts one at a time.
    var nonce: String { lastNonce.withLock { $0 } }

    /// The daemon's binary beside the tests, or in `LONGTAKE_BINARY`.
    static let binary: String = {
        if let other = getenv("LONGTAKE_BINARY") { return String(cString: other) }
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return bundle.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/longtake"
    }()

    func launch(
        _ arguments: [String], isConfined: Bool = true, readPaths: [String] = [], writePaths: [String] = []
    ) -> ProgramLaunch {
        ProgramLaunch(
            arguments: arguments, environment: ["PATH": "/usr/bin:/bin", "DATA": data, "OTHER": other, "ROOT": root],
            workingDirectory: work, inputFile: nil,
            confinement: .init(isEnforced: isConfined, readPaths: readPaths, writePaths: writePaths),
            maximumFileBytes: 1 << 20)
    }

    func start(_ arguments: String..., isConfined: Bool = true) async throws -> any RunningProgram {
        try await starter.start(launch(arguments, isConfined: isConfined))
    }

    /// Runs a program to its end.
    func run(_ launch: ProgramLaunch) async throws -> (end: ProgramEnd, output: String) {
        let program = try await starter.start(launch)
        let output = await Self.text(of: program)
        return (await program.end(), output)
    }

    /// Reads the standard output of a program until all have closed it, and closes both pipes.
    static func text(of program: any RunningProgram) async -> String {
        let descriptor = program.standardOutput
        close(program.standardError)
        return await withCheckedContinuation { caller in
            // It blocks, so it gets a thread of its own: the global queue has few.
            DispatchQueue(label: "longtake.test.output").async {
                var bytes: [UInt8] = []
                var buffer = [UInt8](repeating: 0, count: 4096)
                while true {
                    var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                    poll(&wait, 1, 60_000)
                    let count = read(descriptor, &buffer, buffer.count)
                    guard count > 0 else { break }
                    bytes += buffer[..<count]
                }
                close(descriptor)
                caller.resume(returning: String(decoding: bytes, as: UTF8.self))
            }
        }
    }

    /// The processes that run in the bench's directories: programs and what they have started.
    var processes: [SystemProcess] {
        ProcessTable.read().processes.filter { process in
            var path = [CChar](repeating: 0, count: 4096)
            guard !process.isEnded, readlink("/proc/\(process.pid)/cwd", &path, path.count - 1) > 0 else {
                return false
            }
            return path.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }.hasPrefix(root)
        }
    }

    /// The supervisor of the program that runs; `nil` if there is none.
    var supervisor: SystemProcess? {
        ProcessTable.read().processes.first { process in
            let line = try? String(contentsOfFile: "/proc/\(process.pid)/cmdline", encoding: .utf8)
            return !process.isEnded && line == "longtake\0supervise\0\(nonce)\0"
        }
    }

    /// Waits until the program has written a file into its working directory.
    func waits(for name: String) async -> Bool { await until { access("\(work)/\(name)", F_OK) == 0 } }

    /// The records that are left.
    var recordNames: [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: data + "/commands")) ?? []
    }
}
