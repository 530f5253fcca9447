internal import CLongtakeProcess
import Glibc

/// Starts one program from a supervisor.
struct ProgramStart {
    let launch: ProgramLaunch
    let nonce: String
    let cgroup: Cgroup?

    /// The soft limit on descriptors. Some programs close every possible descriptor, and `select`
    /// cannot use higher ones. A program can raise it.
    private static let descriptors: UInt64 = 1024
    /// The kernel kills a program before the daemon when memory is short.
    private static let memoryKillScore: CInt = 500

    /// Starts the program.
    /// - Parameters:
    ///   - output: the descriptor that becomes its standard output.
    ///   - error: the descriptor that becomes its standard error.
    /// - Returns: its pid, which is also the number of its process group.
    func run(output: CInt, error: CInt) throws(ProgramStartError) -> pid_t {
        let path = try findProgram()
        let input = open(launch.inputFile ?? "/dev/null", O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw .failed("\(launch.inputFile ?? "/dev/null"): \(Self.text(of: errno))") }
        defer { close(input) }
        let ruleset = try makeRuleset()
        defer { if ruleset >= 0 { close(ruleset) } }
        let processes = try openCgroup()
        defer { if processes >= 0 { close(processes) } }

        var arguments = launch.arguments.map { strdup($0) } + [nil]
        var environment = launch.environment.map { strdup("\($0.key)=\($0.value)") }
        environment += [strdup("\(NonceSearch.variable)=\(nonce)"), nil]
        defer { for text in arguments + environment { free(text) } }
        var failure = longtake_failure()
        let pid = path.withCString { path in
            launch.workingDirectory.withCString { directory in
                arguments.withUnsafeMutableBufferPointer { arguments in
                    environment.withUnsafeMutableBufferPointer { environment in
                        var start = longtake_start(
                            path: path, arguments: arguments.baseAddress, environment: environment.baseAddress,
                            working_directory: directory, standard_input: input, standard_output: output,
                            standard_error: error, ruleset: ruleset, cgroup_processes: processes,
                            file_bytes: launch.maximumFileBytes ?? -1, descriptors: Self.descriptors,
                            oom_score_adjustment: Self.memoryKillScore)
                        return longtake_start(&start, &failure)
                    }
                }
            }
        }
        guard pid > 0 else { throw Self.error(failure, path: path, directory: launch.workingDirectory) }
        return pid
    }

    private func makeRuleset() throws(ProgramStartError) -> CInt {
        guard launch.confinement.isEnforced else { return -1 }
        return try ConfinementRules(launch.confinement, workingDirectory: launch.workingDirectory).makeRuleset()
    }

    private func openCgroup() throws(ProgramStartError) -> CInt {
        guard let cgroup else { return -1 }
        let descriptor = cgroup.openProcesses()
        guard descriptor >= 0 else { throw .failed("the cgroup \(cgroup.path): \(Self.text(of: errno))") }
        return descriptor
    }

    /// Looks the name up in `PATH`, as execvp(3) does, but only in absolute directories: otherwise
    /// a file in the working directory could take the place of a program.
    private func findProgram() throws(ProgramStartError) -> String {
        guard let name = launch.arguments.first, !name.isEmpty else { throw .notExecutable("no program is named") }
        guard !name.utf8.contains(UInt8(ascii: "/")) else { return name }
        let directories = (launch.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        var isRefused = false
        for directory in directories where directory.hasPrefix("/") {
            let path = "\(directory)/\(name)"
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            if access(path, X_OK) == 0 { return path }
            isRefused = true
        }
        throw .notExecutable("\(name) \(isRefused ? "in PATH may not be executed" : "is not in PATH")")
    }

    private static func error(_ failure: longtake_failure, path: String, directory: String) -> ProgramStartError {
        let reason = text(of: failure.error)
        switch Int(failure.step) {
        case LONGTAKE_STEP_EXECUTE where [E2BIG, ENOMEM, EMFILE, ENFILE].contains(failure.error):
            return .failed("\(path): \(reason)")
        case LONGTAKE_STEP_EXECUTE where failure.error == EACCES:
            return .notExecutable(
                "\(path) may not be executed: it is not executable, or its directory or that of its interpreter is not in read_paths"
            )
        case LONGTAKE_STEP_EXECUTE: return .notExecutable("\(path): \(reason)")
        case LONGTAKE_STEP_CONFINEMENT: return .notConfined("Landlock cannot be applied: \(reason)")
        case LONGTAKE_STEP_DIRECTORY: return .failed("the working directory \(directory): \(reason)")
        default: return .failed("the process cannot be made (step \(failure.step)): \(reason)")
        }
    }

    private static func text(of code: CInt) -> String { String(cString: strerror(code)) }
}
