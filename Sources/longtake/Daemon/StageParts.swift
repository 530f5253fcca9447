import Glibc
import Logging
import LongtakeCommands
import LongtakeCore
import LongtakeFiles
import LongtakeHTTP

/// The parts of the daemon for real work: the content of files and artifacts, and the programs of
/// command stages. All of them are below the data directory.
struct StageParts: Sendable {
    let store: DirectoryFileStore
    let cleaner: ContentCleaner
    /// Copies the content into backups.
    let contentBackup: DirectoryContentBackup
    /// The free space that uploads and stages share.
    let space: SpaceGate
    /// Stops claims of commands while ``space`` is below its floor.
    let disk: DiskGate
    let logs: StageLogs
    let runner: CommandRunner
    private let records: ProgramRecords
    private let logger: Logger

    /// Opens the store of contents, and makes everything else. Nothing runs yet.
    /// - Parameters:
    ///   - rows: the rows about the content.
    ///   - environment: the variables of the daemon.
    static func open(
        _ loaded: LoadedSettings, rows: any FileRecords, clock: any WallClock, environment: [String: String],
        logger: Logger
    ) async throws -> StageParts {
        let (settings, data) = (loaded.settings, loaded.settings.storage.path.absolutePath)
        let released = ReleasedContent()
        let store = try await DirectoryFileStore.open(directory: data + "/files") { released.add($0) }
        let cleaner = ContentCleaner(
            store: store, records: rows, released: released,
            settings: ContentCleaner.Settings(
                intermediateLifetime: .seconds(settings.storage.intermediateHours * 3600)),
            clock: ContinuousClock(), wallClock: clock, logger: logger)
        let budget = SpaceBudget(
            floor: settings.storage.minFreeGigabytes.gigabytes, maximum: settings.storage.filesMaxGigabytes.gigabytes)
        let space = SpaceGate(
            budget, free: { () throws(FileStoreError) in try store.freeBytes }, used: { store.usedBytes })
        let disk = DiskGate(
            queues: Set(loaded.catalog.commands.map(\.stage.queue)), isBelowFloor: { try space.isBelowFloor() },
            whenChanged: { Self.logFloor($0, logger) })
        let logs = StageLogs(directory: data + "/logs", logger: logger)
        let records = ProgramRecords(directory: data + "/commands")
        let limits = CommandLimits(
            stageDiskBytes: settings.limits.stageDiskGigabytes.gigabytes,
            artifactBytesPerJob: settings.limits.artifactGigabytesPerJob.gigabytes)
        let runner = CommandRunner(
            starter: SupervisorStarter(
                records: records, dataDirectory: data, cgroups: DelegatedCgroup.path(), logger: logger),
            store: store, logs: logs,
            configuration: CommandConfiguration(
                directory: data + "/work", limits: limits, environment: environment,
                isConfined: settings.commands.sandbox.confines(CommandSupport.probe())),
            clock: ContinuousClock(),
            randomness: {
                var generator = SystemRandomNumberGenerator()
                return generator.next()
            }, logger: logger)
        return StageParts(
            store: store, cleaner: cleaner,
            contentBackup: DirectoryContentBackup(directory: data + "/files", cleaner: cleaner), space: space,
            disk: disk, logs: logs, runner: runner, records: records,
            logger: logger)
    }

    private static func logFloor(_ isBelow: Bool, _ logger: Logger) {
        if isBelow {
            logger.warning(
                "the disk has less free space than storage.min_free_gigabytes; uploads are rejected and commands wait")
        } else {
            logger.notice("the disk has enough free space for uploads and commands again")
        }
    }

    /// For metrics.
    var usage: FileUsage {
        FileUsage(
            storedBytes: store.usedBytes, commands: runner.counts.running,
            supervisorsLost: runner.counts.supervisorsLost)
    }

    /// Ends the programs that an earlier process has left. No stage may be claimed before.
    func endLeftovers() async {
        let leftovers = await records.killLeftovers()
        guard leftovers.programs > 0 else { return }
        logger.log(
            level: leftovers.left > 0 ? .error : .notice,
            leftovers.left > 0
                ? "programs of the last process do not end; their stages may run twice"
                : "ended the programs that the last process has left",
            metadata: [
                "programs": "\(leftovers.programs)", "killed": "\(leftovers.killed)", "left": "\(leftovers.left)",
            ])
    }

    /// Counts the stored content, for `storage.files_max_gigabytes`. Until it has ended, less is
    /// counted than is stored, and the limit may be exceeded by the difference.
    func countContent() async {
        while !Task.isCancelled {
            do {
                try await store.count()
                return logger.info("counted the stored files", metadata: ["bytes": "\(store.usedBytes)"])
            } catch {
                logger.warning("cannot count the stored files; will retry", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: Self.countRetryDelay)
        }
    }

    private static let countRetryDelay: Duration = .seconds(60)

    /// Removes what jobs have left that are gone: their working directories and their logs.
    func removeLeftovers(of rows: any FileRecords) async {
        do {
            try await runner.removeLeftovers { try await rows.state(of: $0).map { !$0.isFinal } ?? false }
            for job in await logs.jobs() where try await rows.state(of: job) == nil { await logs.remove(job: job) }
        } catch {
            logger.warning("cannot remove what ended jobs have left", metadata: ["error": "\(error)"])
        }
    }
}

/// The log of a stage, for the HTTP route.
struct StoredStageLogs: StageLogReading {
    let logs: StageLogs

    func log(of job: JobID, stage: StageName) async throws -> [UInt8]? {
        await logs.read(job: job, stage: stage, limit: Int(StageLogs.bytesPerStage))?.bytes
    }

    func part(of job: JobID, stage: StageName, from offset: Int64, limit: Int) async throws -> StageLogText? {
        await logs.read(job: job, stage: stage, from: offset, limit: limit).map {
            StageLogText(bytes: $0.bytes, offset: $0.offset, kept: $0.kept, attempt: $0.attempt)
        }
    }

    func changes(of job: JobID, stage: StageName) async -> AsyncStream<Void> {
        await logs.observe(job: job, stage: stage, awaitsBegin: true)
    }
}

extension Settings.Commands.Sandbox {
    /// Whether commands are confined on this machine.
    func confines(_ support: CommandSupport) -> Bool {
        switch self {
        case .required: true
        case .optional: support.canConfine
        case .off: false
        }
    }
}

extension Double {
    /// A number of gigabytes (10⁹ bytes) in bytes.
    var gigabytes: Int64 { Int64(self * 1e9) }
}

extension String {
    /// The path from the root; relative paths begin at the present directory.
    fileprivate var absolutePath: String {
        guard !hasPrefix("/"), let current = getcwd(nil, 0) else { return self }
        defer { free(current) }
        return String(cString: current) + "/" + self
    }
}
