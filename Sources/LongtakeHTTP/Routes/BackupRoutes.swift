import Hummingbird
import LongtakeAPI
import LongtakeCore

/// Makes and lists backups of the database while the daemon runs. The daemon chooses their path,
/// never the client.
struct BackupRoutes: Sendable {
    let backups: any Backups
    /// Closed while the daemon shuts down.
    let admission: Admission
    /// Builds the links in responses.
    let links: APILinks

    func register(on routes: inout RouteTable) {
        routes.add(
            "/v1/backups", [.get: .needs(.admin, list), .post: .needs(.admin, begin, query: QueryNames("files"))])
        routes.add("/v1/backups/{id}", [.get: .needs(.admin, show)])
    }

    @Sendable private func begin(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        let includesFiles = try Query(request).choice("files", of: ["true", "false"]) == "true"
        guard admission.isOpen else { throw Problem.draining }
        do {
            let backup = try await backups.begin(includingFiles: includesFiles)
            var response = try Response.json(sorted: BackupDocument(backup), status: .accepted)
            response.headers[.location] = links.backup(backup.id)
            return response
        } catch let running as BackupRunning {
            throw Problem.backupRunning(running.id, location: links.backup(running.id))
        }
    }

    @Sendable private func list(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        return try .json(sorted: BackupListDocument(try await backups.backups()))
    }

    @Sendable private func show(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        guard let id = context.parameters.get("id").flatMap({ BackupID($0) }), let backup = try await backups.backup(id)
        else { throw Problem.noSuchBackup }
        return try .json(sorted: BackupDocument(backup))
    }
}

extension Problem {
    static let noSuchBackup = Problem(
        type: .noSuchBackup, status: .notFound, title: "No such backup", detail: "No backup has this id.")

    static func backupRunning(_ id: BackupID, location: String) -> Problem {
        Problem(
            type: .backupRunning, status: .conflict, title: "A backup is being made",
            detail: "The daemon makes one backup at a time, and \(id) is still running.", headers: [.location: location]
        )
    }
}
