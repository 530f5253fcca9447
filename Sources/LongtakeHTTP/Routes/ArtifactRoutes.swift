import HTTPTypes
import Hummingbird
import LongtakeAPI
import LongtakeCore

/// `/v1/jobs/{id}/artifacts`: lists the artifacts of a job, and returns their bytes.
struct ArtifactRoutes: Sendable {
    let journal: any FileRecords & EventLog
    let store: any FileStore

    func register(on routes: inout RouteTable) {
        routes.add("/v1/jobs/{id}/artifacts", [.get: .needs(.read, orTicket: true, list)])
        routes.add(
            "/v1/jobs/{id}/artifacts/{name}",
            [.get: .needs(.read, orTicket: true, content, query: QueryNames("download", "v"))])
    }

    @Sendable private func list(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        return .json(ArtifactListDocument(try await artifacts(context)))
    }

    @Sendable private func content(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let query = Query(request)
        let isAttachment = try query.choice("download", of: ["0", "1"]) == "1"
        let artifacts = try await artifacts(context)
        guard
            let name = context.parameters.get("name").flatMap({ PercentEncoding.decode($0) }).flatMap({
                ArtifactName($0)
            })
        else { throw Problem.noSuchArtifact }
        guard let artifact = artifacts.first(where: { $0.artifact.name == name })?.artifact else {
            throw try await wasCreated(name, context) ? Problem.artifactGone : .noSuchArtifact
        }
        let version = query["v"]
        guard version == nil || version == artifact.content.hash.hex else { throw Problem.artifactGone }
        let content = StoredContent(
            content: artifact.content, type: artifact.type, name: name.description, isAttachment: isAttachment,
            isImmutable: version != nil)
        return try await content.response(
            to: request, from: store, tenant: context.caller.tenant, in: context.exchange, missing: .artifactGone)
    }

    private func artifacts(_ context: DaemonRequestContext) async throws -> [ArtifactRecord] {
        guard let artifacts = try await journal.artifacts(of: try context.jobID(), of: context.caller.tenant) else {
            throw Problem.noSuchJob
        }
        return artifacts
    }

    /// Whether the job has had an artifact that no longer exists. Its event stays when its row is
    /// removed.
    private func wasCreated(_ name: ArtifactName, _ context: DaemonRequestContext) async throws -> Bool {
        var after = EventSequence.beforeFirst
        while let page = try await journal.events(
            of: try context.jobID(), of: context.caller.tenant, after: after, limit: Limits.eventsPerPage)
        {
            for event in page.events where event.type == .artifactCreated {
                let document = try JSONText.decode(EventDocument.self, from: event.json)
                if document.name == name { return true }
            }
            guard let last = page.events.last?.sequence, last < page.head else { return false }
            after = last
        }
        return false
    }
}

extension Problem {
    static let noSuchArtifact = Problem(
        type: .noSuchArtifact, status: .notFound, title: "No such artifact",
        detail: "The job has no artifact with this name.")

    static let artifactGone = Problem(
        type: .artifactGone, status: .notFound, title: "Artifact gone",
        detail: "The job had this artifact. Its bytes were replaced, or are no longer kept.")
}
