import Glibc
package import Logging
public import LongtakeCore
import Synchronization

/// Runs command stages: each one is a program of the operator that works in a directory of its own.
///
/// The memory of one run is bounded by constants, whatever its program writes: one read of 64 KiB,
/// an unfinished line of 64 KiB for each of the two pipes, the log lines of one read (at most four
/// times its size), 2 KiB of standard error, and the newest output (64 KiB of JSON).
public final class CommandRunner: StageRunner {
    private let starter: any ProgramStarter
    private let store: any FileStore
    private let logs: StageLogs
    private let configuration: CommandConfiguration
    private let clock: any Clock<Duration>
    private let randomness: @Sendable () -> UInt64
    private let logger: Logger
    private let witness: CommandWitness?
    private let drain = DrainGrace()
    /// The commands of this runner, for metrics.
    public let counts = CommandCounts()
    /// Jobs whose working directory is kept, because their stage was interrupted.
    private let interrupted = Mutex<Set<JobID>>([])

    /// Makes a runner whose programs have supervisors.
    /// - Parameters:
    ///   - store: holds the content of inputs and artifacts.
    ///   - clock: measures how often the disk use is checked, and the grace periods.
    ///   - randomness: draws the ids of traces.
    ///   - witness: a person who watches the runs; `nil` for nobody.
    package convenience init(
        starter: SupervisorStarter, store: any FileStore, logs: StageLogs, configuration: CommandConfiguration,
        clock: any Clock<Duration>, randomness: @escaping @Sendable () -> UInt64, logger: Logger,
        witness: CommandWitness? = nil
    ) {
        self.init(
            starter: starter as any ProgramStarter, store: store, logs: logs, configuration: configuration,
            clock: clock, randomness: randomness, logger: logger, witness: witness)
    }

    init(
        starter: any ProgramStarter, store: any FileStore, logs: StageLogs, configuration: CommandConfiguration,
        clock: any Clock<Duration>, randomness: @escaping @Sendable () -> UInt64, logger: Logger,
        witness: CommandWitness? = nil
    ) {
        self.starter = starter
        self.store = store
        self.logs = logs
        self.configuration = configuration
        self.clock = clock
        self.randomness = randomness
        self.logger = logger
        self.witness = witness
    }

    /// Runs the program of a stage until all of its processes have ended.
    public func run(_ claim: Claim, reports: StageReports) async throws -> StageResult {
        guard case .command(let work) = claim.stage.work else {
            throw StageFailure(message: "the stage is not a command", isRetryable: false)
        }
        let directory = WorkingDirectory(root: configuration.directory, claim: claim)
        let stop = CommandStop(grace: .seconds(work.graceSeconds), drain: drain)
        // Unstructured, so that a stop does not cancel what still has to be done: the program is
        // given its grace, its output is read, and the artifacts of a success are stored.
        let run = Task { try await self.run(claim, work, in: directory, reports: reports, stop: stop) }
        let result = await withTaskCancellationHandler {
            await run.result
        } onCancel: {
            stop.stop()
        }
        await logs.end(job: claim.job, stage: claim.stage.name, attempt: claim.attempt)
        if Self.endsAttempt(result) {
            if !configuration.keepsDirectories { await remove(directory) }
        } else {
            interrupted.withLock { _ = $0.insert(claim.job) }
        }
        return try result.get()
    }

    /// Programs that are stopped from now on get at most this grace, because the daemon shuts down.
    public func beginDrain(grace: Duration) { drain.begin(grace) }

    /// Removes the directories of jobs that have ended while their stage was interrupted. It costs
    /// nothing for other jobs, and does not wait.
    public func jobsEnded(_ jobs: [JobID]) {
        let left = interrupted.withLock { interrupted in jobs.filter { interrupted.remove($0) != nil } }
        guard !left.isEmpty else { return }
        // Unstructured, because the caller is the writer of the journal, which must not wait.
        Task { for job in left { await removeDirectories(of: job) } }
    }

    /// Removes the directories of a job that has ended.
    public func removeDirectories(of job: JobID) async {
        let root = configuration.directory
        do {
            try await DiskWork.run { try WorkingDirectory.remove(of: job, below: root) }
        } catch {
            logger.warning(
                "cannot remove the working directory of a job", metadata: ["job": "\(job)", "error": "\(error)"])
        }
    }

    /// Removes the directories of all jobs that have ended, which a crash can leave behind. Call it
    /// once, before the first run or after it.
    /// - Parameter isActive: whether a job exists and has not ended.
    public func removeLeftovers(isActive: @Sendable (JobID) async throws -> Bool) async throws {
        let root = configuration.directory
        for job in try await DiskWork.run({ WorkingDirectory.jobs(below: root) }) {
            if try await isActive(job) {
                interrupted.withLock { _ = $0.insert(job) }
            } else {
                await removeDirectories(of: job)
            }
        }
    }

    /// An interrupted attempt goes on later, in the same directory.
    private static func endsAttempt(_ result: Result<StageResult, any Error>) -> Bool {
        guard case .failure(let error) = result else { return true }
        return !(error is CancellationError || error is StageInterruption)
    }

    private func remove(_ directory: WorkingDirectory) async {
        do {
            try await DiskWork.run { try directory.remove() }
        } catch {
            logger.warning("cannot remove a working directory", metadata: ["error": "\(error)"])
        }
    }

    private func run(
        _ claim: Claim, _ work: CommandWork, in directory: WorkingDirectory, reports: StageReports, stop: CommandStop
    ) async throws -> StageResult {
        await logs.begin(job: claim.job, stage: claim.stage.name, attempt: claim.attempt)
        let launch: ProgramLaunch
        do {
            launch = try await prepare(claim, work, in: directory)
        } catch let failure as SystemFailure where failure.isFull {
            throw StageInterruption(.disk)
        } catch FileStoreError.full {
            throw StageInterruption(.disk)
        } catch FileStoreError.failed(let text) {
            throw StageFailure(message: "an input of the stage cannot be read: \(text)", isRetryable: true)
        }
        if stop.isStopped { throw CancellationError() }
        let program: any RunningProgram
        do {
            program = try await starter.start(launch)
        } catch {
            throw CommandVerdict.failure(of: error)
        }
        stop.begin(program)
        let tools = CommandRun.Tools(
            claim: claim, work: work, directory: directory, reports: reports, logs: logs, limits: configuration.limits,
            clock: clock, stop: stop, witness: witness, counts: counts)
        counts.begin()
        defer { counts.end() }
        var run = CommandRun(tools, program: program, store: store)
        return try await run.run()
    }

    /// Prepares the working directory.
    private func prepare(
        _ claim: Claim, _ work: CommandWork, in directory: WorkingDirectory
    ) async throws -> ProgramLaunch {
        let inputs = PlacedInputs(claim, work: work)
        let arguments = try inputs.arguments(of: work)
        let document = StageDocument(claim: claim, inputs: inputs).bytes
        try await DiskWork.run {
            try directory.prepare()
            try directory.write(document, to: "stage.json")
            for (field, path) in inputs.texts {
                try directory.write(Array((claim.input[field]?.text ?? "").utf8), to: path)
            }
        }
        let tenant = claim.context.tenant
        for (field, path) in inputs.files {
            guard let hash = claim.files[field]?.content.hash else { continue }
            try await store.export(ContentKey(tenant: tenant, hash: hash), to: directory.path + "/" + path)
        }
        for record in claim.artifacts {
            guard let path = inputs.artifacts[record.artifact.name] else { continue }
            let key = ContentKey(tenant: tenant, hash: record.artifact.content.hash)
            try await store.export(key, to: directory.path + "/" + path)
        }
        let environment = CommandEnvironment(daemon: configuration.environment).variables(
            of: work, claim: claim, in: directory, trace: TraceParent(of: claim.job, random: randomness()))
        witness?(.starting(arguments: arguments, directory: directory.path, document: document))
        return ProgramLaunch(
            arguments: arguments, environment: environment, workingDirectory: directory.path,
            inputFile: work.usesProtocol ? directory.document : nil,
            confinement: ProgramLaunch.Confinement(
                isEnforced: configuration.isConfined, readPaths: work.readPaths, writePaths: work.writePaths),
            maximumFileBytes: configuration.limits.stageDiskBytes)
    }
}
