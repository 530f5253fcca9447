import Hummingbird
import LongtakeAPI
import LongtakeCore

/// Lists, pauses and resumes queues.
struct QueueRoutes: Sendable {
    let journal: any Journal
    /// The number of workers of each configured queue.
    let workers: [QueueName: Int]

    func register(on routes: inout RouteTable) {
        routes.add("/v1/queues", [.get: .needs(.read, list)])
        routes.add("/v1/queues/{name}/pause", [.post: .needs(.admin, pause)])
        routes.add("/v1/queues/{name}/resume", [.post: .needs(.admin, resume)])
    }

    @Sendable private func list(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        return try .json(sorted: QueueListDocument(queues: try await documents(for: context.caller)))
    }

    @Sendable private func pause(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try await change(request, context) { try await journal.pause($0) }
    }

    @Sendable private func resume(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try await change(request, context) { try await journal.resume($0) }
    }

    private func change(
        _ request: Request, _ context: DaemonRequestContext, by command: (QueueName) async throws -> Void
    ) async throws -> Response {
        try request.requireAcceptsJSON()
        let known = try await documents(for: context.caller)
        guard let name = known.map(\.name).first(where: { $0.description == context.parameters.get("name") }) else {
            throw Problem.noSuchQueue
        }
        try await command(name)
        // A queue that is neither configured nor in use is only listed while it is paused.
        let after = try await documents(for: context.caller).first { $0.name == name }
        return try .json(sorted: after ?? QueueDocument(QueueStatus(name: name), workers: 0))
    }

    /// All configured queues, and other queues that have stages or are paused. With the right
    /// `admin` the numbers cover all tenants, otherwise only the caller's.
    private func documents(for caller: Caller) async throws -> [QueueDocument] {
        let tenant = caller.rights.contains(.admin) ? nil : caller.tenant
        return QueueStatus.all(try await journal.queues(of: tenant), with: workers.keys).map {
            QueueDocument($0, workers: workers[$0.name] ?? 0)
        }
    }
}

extension QueueStatus {
    /// Adds the configured queues that the journal does not list, and sorts by name.
    static func all(_ statuses: [QueueStatus], with configured: some Sequence<QueueName>) -> [QueueStatus] {
        var known = Dictionary(uniqueKeysWithValues: statuses.map { ($0.name, $0) })
        for name in configured where known[name] == nil { known[name] = QueueStatus(name: name) }
        return known.values.sorted { $0.name < $1.name }
    }
}

extension Problem {
    fileprivate static let noSuchQueue = Problem(
        type: .noSuchQueue, status: .notFound, title: "No such queue", detail: "No queue has this name.")
}
