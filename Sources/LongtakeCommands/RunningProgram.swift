/// Starts programs. The starter of the daemon puts each one under a supervisor.
protocol ProgramStarter: Sendable {
    /// - Throws: ``ProgramStartError`` if the program did not start. Then nothing is left of it.
    func start(_ launch: ProgramLaunch) async throws(ProgramStartError) -> any RunningProgram
}

/// A program to start.
struct ProgramLaunch: Hashable, Sendable, Codable {
    /// The program and its arguments. A name without `/` is looked up in the `PATH` of
    /// ``environment``.
    var arguments: [String]
    /// All variables of the program.
    var environment: [String: String]
    /// The directory in which it starts. It may read and write it.
    var workingDirectory: String
    /// The file that becomes its standard input; `nil` for `/dev/null`.
    var inputFile: String?
    /// What it may read and write besides.
    var confinement: Confinement
    /// The largest file that it may write (`RLIMIT_FSIZE`); `nil` for no limit.
    var maximumFileBytes: Int64?

    /// The rules of Landlock for a program.
    struct Confinement: Hashable, Sendable, Codable {
        /// Whether the rules apply. If the kernel has no Landlock, the start fails.
        var isEnforced: Bool
        var readPaths: [String]
        var writePaths: [String]
    }
}

enum ProgramStartError: Error, Hashable, Sendable, Codable {
    /// There is no such program, or it may not be executed. The text names the program.
    case notExecutable(String)
    /// The kernel cannot confine programs.
    case notConfined(String)
    /// The process cannot be made. The text is for the operator.
    case failed(String)
}

/// A program that runs, with all processes that it has started.
protocol RunningProgram: AnyObject, Sendable {
    /// The read ends of the pipes. They do not block and are closed at exec. The caller closes
    /// them.
    var standardOutput: Int32 { get }
    var standardError: Int32 { get }

    /// Sends `SIGTERM` to the process group, and after `grace` kills everything. Later calls can
    /// only shorten the grace.
    func stop(grace: Duration)

    /// Kills everything now.
    func kill()

    /// Returns when the program and all of its descendants have ended.
    func end() async -> ProgramEnd
}

/// How a program ended.
enum ProgramEnd: Hashable, Sendable, Codable {
    case exited(status: Int32)
    /// - Parameter isStopped: whether the supervisor sent the signal because of
    ///   ``RunningProgram/stop(grace:)`` or ``RunningProgram/kill()``.
    case signaled(Int32, isStopped: Bool)
    /// The supervisor died, so it is not known how the program ended. Its processes are gone.
    case unknown
}
