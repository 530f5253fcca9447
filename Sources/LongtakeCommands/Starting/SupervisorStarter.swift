internal import CLongtakeProcess
import Glibc
package import Logging

/// Starts each program under a supervisor of its own.
package struct SupervisorStarter: ProgramStarter {
    /// How long the daemon waits for a supervisor.
    package struct Limits: Hashable, Sendable {
        /// For the start of a program.
        package var start: Duration
        /// For the end after ``RunningProgram/kill()``. Longer than a supervisor tries
        /// (``DescendantKiller``), so that it can say how many processes are left.
        package var answer: Duration
        /// For the end of the processes whose supervisor died.
        package var search: Duration

        package init(
            start: Duration = .seconds(10), answer: Duration = .seconds(40), search: Duration = .seconds(5)
        ) {
            self.start = start
            self.answer = answer
            self.search = search
        }
    }

    /// The size of a pipe's buffer. Linux gives each user 64 MiB for larger buffers than 64 KiB,
    /// and then leaves the default.
    private static let pipeBytes: CInt = 256 * 1024

    private let executable: String
    private let records: ProgramRecords
    private let dataDirectory: String?
    private let cgroups: String?
    private let environment: [String: String]
    private let limits: Limits
    private let makeNonce: @Sendable () -> String
    private let logger: Logger

    /// - Parameters:
    ///   - records: the records of running programs.
    ///   - dataDirectory: a program whose paths contain it is refused; `nil` for no check.
    ///   - executable: the path of `longtake`. The default is this process's own file, also if it
    ///     was replaced on disk since.
    ///   - cgroups: a directory of cgroup v2 that is delegated to this user; `nil` for none.
    ///   - environment: the variables of the supervisors. The programs do not get them.
    ///   - makeNonce: makes a text that no other program has, of letters and digits.
    package init(
        records: ProgramRecords, dataDirectory: String?, executable: String = "/proc/self/exe", cgroups: String? = nil,
        environment: [String: String] = [:], limits: Limits = Limits(),
        makeNonce: @escaping @Sendable () -> String = Self.randomNonce, logger: Logger
    ) {
        self.executable = executable
        self.records = records
        self.dataDirectory = dataDirectory
        self.cgroups = cgroups
        self.environment = environment
        self.limits = limits
        self.makeNonce = makeNonce
        self.logger = logger
    }

    /// 128 random bits in hexadecimal digits.
    @Sendable package static func randomNonce() -> String {
        let digits = String(UInt128.random(in: 0 ... .max), radix: 16)
        return String(repeating: "0", count: 32 - digits.count) + digits
    }

    func start(_ launch: ProgramLaunch) async throws(ProgramStartError) -> any RunningProgram {
        try check(launch)
        let nonce = makeNonce()
        let cgroup = cgroups.map { "\($0)/longtake-\(nonce)" }
        let program = try spawn(nonce: nonce, cgroup: cgroup)
        guard let error = await program.launch(SupervisorLaunch(program: launch, cgroup: cgroup)) else {
            return program
        }
        close(program.standardOutput)
        close(program.standardError)
        throw error
    }

    /// Checks what the supervisor cannot.
    private func check(_ launch: ProgramLaunch) throws(ProgramStartError) {
        var texts = launch.arguments + [launch.workingDirectory] + launch.environment.flatMap { [$0.key, $0.value] }
        launch.inputFile.map { texts.append($0) }
        guard !texts.contains(where: { $0.utf8.contains(0) }) else {
            throw .failed("an argument or a variable contains a NUL character")
        }
        guard let dataDirectory, launch.confinement.isEnforced else { return }
        do throws(ConfinementPaths.Conflict) {
            try ConfinementPaths.check(
                readPaths: launch.confinement.readPaths, writePaths: launch.confinement.writePaths,
                dataDirectory: dataDirectory)
        } catch {
            throw .notConfined(error.description)
        }
    }

    /// Starts a supervisor and writes its record. The supervisor waits for the launch.
    private func spawn(nonce: String, cgroup: String?) throws(ProgramStartError) -> SupervisedProgram {
        let connection = try Ends(longtake_socket_pair)
        let output = try Ends { longtake_pipe($0, Self.pipeBytes) }
        let error = try Ends { longtake_pipe($0, Self.pipeBytes) }
        let pid = try spawn(nonce, [connection.second, Ends.null, Ends.null, output.second, error.second])
        do throws(ProgramStartError) {
            guard let process = SystemProcess(pid: pid) else { throw .failed("the supervisor ended at once") }
            try records.write(pid: pid, startTime: process.startTime, nonce: nonce, cgroup: cgroup)
        } catch {
            // It has started nothing yet.
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            throw error
        }
        let context = SupervisedProgram.Context(
            nonce: nonce, cgroup: cgroup, records: records, limits: limits, logger: logger)
        return SupervisedProgram(
            supervisor: pid, connection: connection.takeFirst(), output: output.takeFirst(), error: error.takeFirst(),
            context: context)
    }

    private func spawn(_ nonce: String, _ descriptors: [CInt]) throws(ProgramStartError) -> pid_t {
        var pid: pid_t = 0
        let words = ["longtake", "supervise", nonce]
        var arguments = words.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in arguments + variables { free(text) } }
        let code = longtake_spawn(
            &pid, executable, &arguments, &variables, descriptors, CInt(descriptors.count), 1)
        guard code == 0 else { throw .failed("\(executable): \(String(cString: strerror(code)))") }
        return pid
    }

    /// The two ends of a pipe or of a connection. They are closed unless they are taken.
    private final class Ends {
        /// Stands for `/dev/null` (longtake_spawn).
        static let null: CInt = -1

        private var first: CInt
        let second: CInt

        init(_ make: (UnsafeMutablePointer<CInt>) -> CInt) throws(ProgramStartError) {
            var ends: [CInt] = [-1, -1]
            guard make(&ends) == 0 else {
                throw .failed("the connection to a supervisor cannot be made: \(String(cString: strerror(errno)))")
            }
            (first, second) = (ends[0], ends[1])
        }

        /// The first end, which the caller closes from now on.
        func takeFirst() -> CInt {
            defer { first = -1 }
            return first
        }

        deinit {
            if first >= 0 { close(first) }
            close(second)
        }
    }
}
