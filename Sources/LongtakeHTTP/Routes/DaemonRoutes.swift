import Hummingbird
import LongtakeAPI
import LongtakeCore

/// Health, readiness and the configured pipelines.
struct DaemonRoutes: Sendable {
    let catalog: PipelineCatalog
    let admission: Admission
    let version: String
    private let disk: DiskGate
    private let warnings: [String]
    private let readinessProbe: ReadinessProbe<ContinuousClock>

    /// - Parameter warnings: sentences that hold as long as the daemon runs.
    init(
        journal: any Journal, catalog: PipelineCatalog, admission: Admission, version: String, disk: DiskGate,
        warnings: [String]
    ) {
        self.catalog = catalog
        self.admission = admission
        self.version = version
        self.disk = disk
        self.warnings = warnings
        readinessProbe = ReadinessProbe(clock: ContinuousClock()) { try await journal.checkWritable() }
    }

    func register(on routes: inout RouteTable) {
        routes.add("/healthz", [.get: .open(health)])
        routes.add("/readyz", [.get: .open(readiness)])
        routes.add("/v1/pipelines", [.get: .needs(.read, pipelines)])
    }

    /// Responds as long as the process lives.
    @Sendable private func health(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try .json(sorted: StatusDocument.healthy(version: version))
    }

    /// Responds with 200 if the daemon accepts new jobs and can persist them. On a disk below its
    /// floor it does both, and only uploads and commands wait.
    @Sendable private func readiness(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        guard admission.isOpen else { throw Problem.draining }
        do {
            try await readinessProbe.run()
        } catch JournalError.cannotPersist(let reason) {
            throw Problem.unavailable(.cannotPersist, "The database cannot persist data at present: \(reason).")
        }
        let diskWarnings =
            disk.isBelowFloor
            ? [
                "The disk has less free space than storage.min_free_gigabytes. Uploads are rejected, and commands wait."
            ] : []
        return try .json(sorted: StatusDocument.ready(warnings: diskWarnings + warnings))
    }

    @Sendable private func pipelines(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        return try .json(sorted: PipelineListDocument(catalog))
    }
}

/// Checks whether the disk accepts writes, at most once per second for all clients. Each check is a
/// commit, and a client needs no key to ask for it.
actor ReadinessProbe<ProbeClock: Clock> where ProbeClock.Duration == Duration {
    private let clock: ProbeClock
    private let check: @Sendable () async throws -> Void
    private var running: Task<Void, any Error>?
    private var succeeded: ProbeClock.Instant?

    /// - Parameter check: writes to the disk; throws if that fails.
    init(clock: ProbeClock, check: @escaping @Sendable () async throws -> Void) {
        self.clock = clock
        self.check = check
    }

    /// Returns if a write succeeded within the last ``HTTPLimits/readinessLifetime``, or succeeds
    /// now.
    ///
    /// Calls during a running check wait for its result. A failure is not cached.
    /// - Throws: the error of the check.
    func run() async throws {
        if let succeeded, succeeded.duration(to: clock.now) < HTTPLimits.readinessLifetime { return }
        if let running { return try await running.value }
        // An unstructured task, because other callers wait for it too. It continues if the first
        // one leaves.
        let task = Task { [check] in try await check() }
        running = task
        defer { running = nil }
        try await task.value
        succeeded = clock.now
    }
}
