import Glibc
import Logging
import LongtakeCore
import LongtakeTesting
import Synchronization

@testable import LongtakeCommands

/// A runner of commands in a scratch directory, with what it reported.
final class CommandStage: Sendable {
    static let job = JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t2")!
    static let name = StageName(unchecked: "encode")

    let root: String
    let store = MemoryFileStore()
    let logs: StageLogs
    let starter: DirectStarter
    let runner: CommandRunner
    let reports = Seen<StageReport>()
    let registered = Seen<Artifact>()
    private let admitsPreviews = Mutex(true)

    init(limits: CommandLimits = CommandLimits(outputBytesPerSecond: 1 << 30), startError: ProgramStartError? = nil) {
        var template = Array("/tmp/longtake-commands-XXXXXX".utf8CString)
        mkdtemp(&template)
        root = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logs = StageLogs(directory: root + "/logs", logger: logger)
        starter = DirectStarter(error: startError)
        runner = CommandRunner(
            starter: starter, store: store, logs: logs,
            configuration: CommandConfiguration(
                directory: root + "/work", limits: limits,
                environment: ["PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "SECRET": "s", "PASSED": "yes"]),
            clock: ContinuousClock(), randomness: { 7 }, logger: logger)
    }

    deinit { try? DirectoryTree.remove(root) }

    func admitPreviews(_ admits: Bool) { admitsPreviews.withLock { $0 = admits } }

    var stageReports: StageReports {
        StageReports(
            report: { [reports] in reports.add($0) }, register: { [registered] in registered.add($0) },
            admitPreview: { self.admitsPreviews.withLock { $0 } })
    }

    /// A stage whose command is a shell script.
    static func work(
        _ script: String, usesProtocol: Bool = true, progress: OutputProgress? = nil,
        artifacts: [DeclaredArtifact] = [], environment: [String: String] = [:], graceSeconds: Double = 5,
        more: [CommandArgument] = []
    ) -> CommandWork {
        CommandWork(
            arguments: [CommandArgument("/bin/sh"), CommandArgument("-c"), CommandArgument(script)] + more,
            usesProtocol: usesProtocol, environment: environment, passEnvironment: ["PASSED"], progress: progress,
            artifacts: artifacts, graceSeconds: graceSeconds)
    }

    static func claim(
        _ work: CommandWork, attempt: Int = 1, checkpoint: Checkpoint = .none, input: JSONValue = .object([:]),
        files: [String: InputFile] = [:], artifacts: [ArtifactRecord] = []
    ) -> Claim {
        Claim(
            id: ClaimID(job: job, stageIndex: 3, fence: Fence(rawValue: 1)), holder: HolderID(rawValue: 1),
            stage: Stage(
                name: name, queue: QueueName(unchecked: "cpu"), expectedSeconds: 10, timeLimitSeconds: nil,
                work: .command(work)),
            attempt: attempt, checkpoint: checkpoint, input: input,
            outputs: [StageName(unchecked: "frames"): .object(["count": .integer(3)])], files: files,
            artifacts: artifacts, simulation: nil,
            context: JobContext(
                pipeline: PipelineName(unchecked: "demo-video"), stageCount: 5, metadata: ["a": "b"]))
    }

    func run(_ claim: Claim) async -> Result<StageResult, any Error> {
        do { return .success(try await runner.run(claim, reports: stageReports)) } catch { return .failure(error) }
    }

    /// Runs a script as a stage with the protocol.
    func run(_ script: String) async -> Result<StageResult, any Error> { await run(Self.claim(Self.work(script))) }

    var log: String {
        get async {
            let text = await logs.read(job: Self.job, stage: Self.name, limit: 1 << 21)
            return String(decoding: text?.bytes ?? [], as: UTF8.self)
        }
    }

    /// The path of the working directory of an attempt.
    func directory(attempt: Int = 1) -> String { "\(root)/work/\(Self.job)/\(Self.name)/\(attempt)" }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}

extension Result where Success == StageResult, Failure == any Error {
    var stageFailure: StageFailure? {
        guard case .failure(let error) = self else { return nil }
        return error as? StageFailure
    }
}
