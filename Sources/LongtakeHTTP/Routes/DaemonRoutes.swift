import Hummingbird
import LongtakeCore

/// What the daemon says about itself: health, readiness, and the pipelines it knows.
struct DaemonRoutes: Sendable {
    let catalog: PipelineCatalog
    let admission: Admission
    let version: String
    private let readinessProbe: ReadinessProbe<ContinuousClock>

    init(journal: any Journal, catalog: PipelineCatalog, admission: Admission, version: String) {
        self.catalog = catalog
        self.admission = admission
        self.version = version
        readinessProbe = ReadinessProbe(clock: ContinuousClock()) { try await journal.checkWritable() }
    }

    func register(on routes: inout RouteTable) {
        routes.add("/healthz", [.get: .open(health)])
        routes.add("/readyz", [.get: .open(readiness)])
        routes.add("/v1/pipelines", [.get: .needs(.read, pipelines)])
    }

    /// The process lives and answers.
    @Sendable private func health(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try .json(["status": "ok", "version": version])
    }

    /// It can accept and persist work.
    @Sendable private func readiness(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        guard admission.isOpen else { throw Problem.draining }
        do {
            try await readinessProbe.run()
        } catch JournalError.cannotPersist(let reason) {
            throw Problem.unavailable("cannot-persist", "The database cannot persist at present: \(reason).")
        }
        return try .json(["status": "ready"])
    }

    @Sendable private func pipelines(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireJSON()
        return try .json(PipelineList(default: catalog.defaultPipeline, pipelines: catalog.definitions))
    }
}

private struct PipelineList: Encodable {
    let `default`: PipelineName
    let pipelines: [PipelineDefinition]
}
