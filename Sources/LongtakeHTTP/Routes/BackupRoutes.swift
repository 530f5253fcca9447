import Hummingbird
import LongtakeCore

/// Makes and lists backups of the database while the daemon runs. The daemon chooses their path,
/// never the client.
struct BackupRoutes: Sendable {
    let backups: any Backups
    /// Closed while the daemon shuts down.
    let admission: Admission
    /// The public URL, which comes before the path in each link.
    let linkBase: String

    func register(on routes: inout RouteTable) {
        routes.add("/v1/backups", [.get: .needs(.admin, list), .post: .needs(.admin, begin)])
        routes.add("/v1/backups/{id}", [.get: .needs(.admin, show)])
    }

    @Sendable private func begin(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        guard admission.isOpen else { throw Problem.draining }
        do {
            let backup = try await backups.begin()
            var response = try Response.json(BackupDocument(backup), status: .accepted)
            response.headers[.location] = location(of: backup.id)
            return response
        } catch let running as BackupRunning {
            throw Problem.backupRunning(running.id, location: location(of: running.id))
        }
    }

    private func location(of id: BackupID) -> String { "\(linkBase)/v1/backups/\(id)" }

    @Sendable private func list(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        return try .json(BackupList(backups: try await backups.backups().map(BackupDocument.init)))
    }

    @Sendable private func show(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        guard let id = context.parameters.get("id").flatMap({ BackupID($0) }), let backup = try await backups.backup(id)
        else { throw Problem.noSuchBackup }
        return try .json(BackupDocument(backup))
    }
}

private struct BackupList: Encodable {
    let backups: [BackupDocument]
}

extension Problem {
    static let noSuchBackup = Problem(
        kind: "no-such-backup", status: .notFound, title: "No such backup", detail: "No backup has this id.")

    static func backupRunning(_ id: BackupID, location: String) -> Problem {
        Problem(
            kind: "backup-running", status: .conflict, title: "A backup is being made",
            detail: "The daemon makes one backup at a time, and \(id) is still running.", headers: [.location: location]
        )
    }
}
