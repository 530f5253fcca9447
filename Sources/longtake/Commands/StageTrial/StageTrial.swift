import Logging
import LongtakeCommands
import LongtakeCore
import Synchronization

/// One run of a command stage by hand: with the runner and the supervisor of the daemon, and
/// without its database.
struct StageTrial {
    private let claim: Claim
    private let work: CommandWork
    private let folder: TrialFolder
    private let settings: Settings
    private let isConfined: Bool
    /// Keeps the content of the inputs in the store.
    private let kept: [any KeptContent]

    /// The same in each run, so that a run with a checkpoint finds the working directory again.
    private static let job = JobID("job_" + String(repeating: "0", count: 26))

    /// Checks the request, and copies its files into the folder.
    /// - Throws: ``TrialError``
    static func prepare(_ request: TrialRequest, _ loaded: LoadedSettings) async throws(TrialError) -> StageTrial {
        let (definition, index) = try find(request, in: loaded.catalog)
        let isConfined = try confines(request, loaded)
        let folder = try await TrialFolder.open(request.folder, temporary: temporaryDirectory)
        var inputs = TrialInputs(folder)
        let plan = try await inputs.plan(request, definition)
        let stage = plan.pipeline.stages[index]
        guard case .command(let work) = stage.work, let job else { throw .usage("The stage is no command.") }
        try await inputs.add(request, earlier: Array(plan.pipeline.stages[..<index]), stage: stage)
        let claim = Claim(
            id: ClaimID(job: job, stageIndex: index, fence: Fence.unclaimed.next), holder: HolderID(rawValue: 1),
            stage: stage, attempt: 1,
            checkpoint: request.checkpoint.map { Checkpoint(progress: .none, data: $0) } ?? .none, input: plan.input,
            outputs: TrialInputs.outputs(of: plan.pipeline.stages[..<index]), files: inputs.files,
            artifacts: inputs.artifacts, simulation: nil,
            context: JobContext(
                tenant: TrialFolder.tenant, pipeline: request.pipeline, stageCount: plan.pipeline.stages.count))
        return StageTrial(
            claim: claim, work: work, folder: folder, settings: loaded.settings, isConfined: isConfined,
            kept: inputs.kept)
    }

    private static var temporaryDirectory: String { OwnProcess.environment["TMPDIR"] ?? "/tmp" }

    private static func find(
        _ request: TrialRequest, in catalog: PipelineCatalog
    ) throws(TrialError) -> (PipelineDefinition, index: Int) {
        guard let definition = catalog.definition(named: request.pipeline) else {
            let names = catalog.definitions.map(\.name.description).joined(separator: ", ")
            throw .usage("there is no pipeline \(request.pipeline). The pipelines are: \(names).")
        }
        guard let index = definition.stages.firstIndex(where: { $0.name == request.stage }) else {
            let names = definition.stages.map(\.name.description).joined(separator: ", ")
            throw .usage("\(request.pipeline) has no stage \(request.stage). Its stages are: \(names).")
        }
        guard case .command = definition.stages[index].work else {
            throw .usage(
                "the stage \(request.stage) of \(request.pipeline) is simulated, so there is no program to run.")
        }
        return (definition, index)
    }

    /// Whether the program is confined, by the rules of a daemon with these settings.
    private static func confines(_ request: TrialRequest, _ loaded: LoadedSettings) throws(TrialError) -> Bool {
        guard !request.isUnconfined else { return false }
        let support = CommandSupport.probe()
        if loaded.settings.commands.sandbox == .required, let problem = support.problem {
            throw .machine("\(problem). Use --no-sandbox to run the program without confinement.")
        }
        return loaded.settings.commands.sandbox.confines(support)
    }

    /// Runs the stage to its end.
    /// - Returns: the exit status.
    func run(_ display: TrialDisplay) async throws(TrialError) -> Int32 {
        defer { withExtendedLifetime(kept) {} }
        display.begin(isConfined: isConfined)
        let (runner, logs) = makeRunner(display)
        // A checkpoint stands for a resumed attempt, which finds its files again.
        if claim.checkpoint == .none { await runner.removeDirectories(of: claim.job) }
        await logs.remove(job: claim.job)
        let ending = Mutex<TrialEnding?>(nil)
        let (claim, reports) = (claim, reports(display))
        // Unstructured, so that a signal and the time limit can cancel it.
        let attempt = Task { try await runner.run(claim, reports: reports) }
        @Sendable func stop(_ reason: TrialEnding) {
            ending.withLock { $0 = $0 ?? reason }
            attempt.cancel()
        }
        let signals = ProcessSignals(
            stop: { _ in
                display.stopping(graceSeconds: work.graceSeconds)
                stop(.stopped)
            }, reload: {})
        let limit = claim.stage.workTimeLimitSeconds
        // Unstructured, because it ends before its time if the stage does.
        let timer = Task {
            if (try? await Task.sleep(for: .seconds(limit))) != nil { stop(.timedOut(seconds: limit)) }
        }
        let result = await attempt.result
        timer.cancel()
        signals.cancel()
        return await end(with: result, early: ending.withLock { $0 }, display)
    }

    private func makeRunner(_ display: TrialDisplay) -> (CommandRunner, StageLogs) {
        var logger = Logger(label: "longtake")
        logger.logLevel = .warning
        let logs = StageLogs(directory: folder.path + "/logs", logger: logger)
        let starter = SupervisorStarter(
            records: ProgramRecords(directory: folder.path + "/commands"), dataDirectory: settings.storage.path,
            logger: logger)
        let limits = CommandLimits(
            stageDiskBytes: settings.limits.stageDiskGigabytes.gigabytes,
            artifactBytesPerJob: settings.limits.artifactGigabytesPerJob.gigabytes)
        let runner = CommandRunner(
            starter: starter, store: folder.store, logs: logs,
            configuration: LongtakeCommands.CommandConfiguration(
                directory: folder.path + "/work", limits: limits, environment: OwnProcess.environment,
                isConfined: isConfined, keepsDirectories: true),
            clock: ContinuousClock(), randomness: { UInt64.random(in: 0 ... .max) }, logger: logger,
            witness: { display.show($0) })
        return (runner, logs)
    }

    private func reports(_ display: TrialDisplay) -> StageReports {
        let folder = folder
        return StageReports(
            report: { display.show($0) },
            register: { artifact in display.show(artifact, at: try await folder.export(artifact)) })
    }

    private func end(
        with result: Result<StageResult, any Error>, early: TrialEnding?, _ display: TrialDisplay
    ) async -> Int32 {
        switch (result, early) {
        case (.success(let result), _):
            for artifact in result.artifacts {
                do {
                    display.show(artifact, at: try await folder.export(artifact))
                } catch {
                    display.fail("the artifact “\(artifact.name)” cannot be written: \(error)")
                    return 1
                }
            }
            display.succeed(result.output, folder: folder.path)
            return 0
        case (.failure(is CancellationError), .stopped):
            display.fail("stopped")
            return 130
        case (.failure(is CancellationError), .timedOut(let seconds)):
            let message = "the stage took more than \(seconds) s"
            display.fail(StageFailure(code: "stage_timed_out", message: message, isRetryable: true))
        case (.failure(let failure as StageFailure), _): display.fail(failure)
        case (.failure(let interruption as StageInterruption), _):
            display.fail("interrupted (\(interruption.reason)); the stage would return to its queue")
        case (.failure(let error), _): display.fail("\(error)")
        }
        return 1
    }
}

/// Why a run was ended before its program had ended.
private enum TrialEnding: Sendable {
    /// A person pressed Ctrl-C.
    case stopped
    case timedOut(seconds: Double)
}
