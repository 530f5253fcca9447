public import LongtakeCore

/// An artifact in JSON, in the list of the artifacts of a job.
public struct ArtifactDocument: Hashable, Sendable {
    /// The stage that made it.
    public var stage: StageName
    public var name: ArtifactName
    /// The media type.
    public var type: String
    public var bytes: Int64
    public var sha256: ContentHash
    public var role: Artifact.Role
    public var createdAt: Timestamp

    public init(_ record: ArtifactRecord) {
        stage = record.stage
        name = record.artifact.name
        type = record.artifact.type
        bytes = record.artifact.content.bytes
        sha256 = record.artifact.content.hash
        role = record.artifact.role
        createdAt = record.createdAt
    }
}

extension ArtifactDocument: Codable, JSONDocument {
    private enum CodingKeys: String, CodingKey {
        case stage, name, type, bytes, sha256, role
        case createdAt = "created_at"
    }

    package func write(into json: inout JSONWriter) {
        json.beginObject()
        json.member("stage", stage.description)
        json.member("name", name.description)
        json.member("type", type)
        json.member("bytes", bytes)
        json.member("sha256", sha256.hex)
        json.member("role", role.rawValue)
        json.member("created_at", createdAt.description)
        json.endObject()
    }
}

/// The list of the artifacts of a job in JSON, oldest first.
public struct ArtifactListDocument: Hashable, Sendable {
    public var artifacts: [ArtifactDocument]

    public init(_ records: [ArtifactRecord]) { artifacts = records.map(ArtifactDocument.init) }
}

extension ArtifactListDocument: Codable, JSONDocument {
    package func write(into json: inout JSONWriter) {
        json.beginObject()
        json.name("artifacts")
        json.beginArray()
        for artifact in artifacts { artifact.write(into: &json) }
        json.endArray()
        json.endObject()
    }
}

/// An artifact in JSON, as a member of its job.
public struct JobArtifactDocument: Hashable, Sendable {
    public var name: ArtifactName
    /// The media type.
    public var type: String
    public var bytes: Int64
    public var role: Artifact.Role
    /// The link to the bytes. It always returns the current artifact with this name.
    public var url: String

    public init(_ artifact: Artifact, of job: JobID, links: APILinks) {
        name = artifact.name
        type = artifact.type
        bytes = artifact.content.bytes
        role = artifact.role
        url = links.artifact(artifact.name, of: job)
    }
}

extension JobArtifactDocument: Codable, JSONDocument {
    package func write(into json: inout JSONWriter) {
        json.beginObject()
        json.member("name", name.description)
        json.member("type", type)
        json.member("bytes", bytes)
        json.member("role", role.rawValue)
        json.member("url", url)
        json.endObject()
    }
}
