public import LongtakeCore

/// The links to the resources of the API.
public struct APILinks: Hashable, Sendable {
    /// The public URL of the daemon, which comes before each path; empty for relative links.
    public let base: String

    public init(base: String = "") { self.base = base }

    /// The link to a job.
    public func job(_ id: JobID) -> String { "\(base)/v1/jobs/\(id)" }

    /// The link to the events of a job.
    /// - Parameter ticket: becomes part of the link, so that the link works without a key.
    public func events(of id: JobID, ticket: String? = nil) -> String {
        "\(job(id))/events" + (ticket.map { "?ticket=\($0)" } ?? "")
    }

    /// The link that cancels a job.
    public func cancel(_ id: JobID) -> String { "\(job(id))/cancel" }

    /// The link to a backup.
    public func backup(_ id: BackupID) -> String { "\(base)/v1/backups/\(id)" }

    /// The link to an uploaded file.
    public func file(_ id: FileID) -> String { "\(base)/v1/files/\(id)" }

    /// The link to the bytes of an uploaded file.
    public func content(of id: FileID) -> String { "\(file(id))/content" }

    /// The link to the bytes of an artifact.
    public func artifact(_ name: ArtifactName, of id: JobID) -> String {
        "\(job(id))/artifacts/\(PercentEncoding.encode(name.description))"
    }
}
