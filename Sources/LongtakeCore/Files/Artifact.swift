/// Some bytes that a stage has made, under a name that is unique in its job.
public struct Artifact: Hashable, Sendable, Codable {
    public let name: ArtifactName
    /// The media type, such as `video/mp4`.
    public let type: String
    public let content: Content
    public let role: Role

    /// What an artifact is for, which decides when it becomes visible and how long it is kept.
    public enum Role: String, Hashable, Sendable, Codable, CaseIterable {
        /// Visible when its stage has succeeded, and kept with the job.
        case result
        /// Visible at once, also while its stage runs, and kept with the job.
        case preview
        /// Visible at once. It is removed some hours after the end of the job.
        case intermediate
    }

    public init(name: ArtifactName, type: String, content: Content, role: Role) {
        self.name = name
        self.type = type
        self.content = content
        self.role = role
    }
}

/// The name of an artifact: 1 to 255 bytes of UTF-8 without `/` and control characters, and not `.`
/// or `..`. So it is also a file name.
public struct ArtifactName: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public let description: String

    /// - Returns: `nil` if the text is not a valid name.
    public init?(_ text: some StringProtocol) {
        guard (1...255).contains(text.utf8.count), text != ".", text != "..",
            text.unicodeScalars.allSatisfy({ $0 != "/" && $0.properties.generalCategory != .control })
        else { return nil }
        description = String(text)
    }

    /// A name that the daemon has stored itself.
    public init(unchecked text: String) { description = text }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let name = ArtifactName(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "must have 1 to 255 bytes without / and control characters, and not be . or ..")
        }
        self = name
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}

/// An artifact that is stored with its job.
public struct ArtifactRecord: Hashable, Sendable, Codable {
    public let artifact: Artifact
    /// The stage that made it.
    public let stage: StageName
    /// The `at` of its event `artifact.created`.
    public let createdAt: Timestamp

    public init(artifact: Artifact, stage: StageName, createdAt: Timestamp) {
        self.artifact = artifact
        self.stage = stage
        self.createdAt = createdAt
    }
}
