/// A file that a client has uploaded.
public struct UploadedFile: Hashable, Sendable {
    public let content: Content
    /// The media type that was found from the first bytes, or `application/octet-stream`.
    public let type: String
    /// The name that the client gave it; `nil` if it gave none.
    public let name: String?
    public let createdAt: Timestamp
    /// The file is kept at least until then, and as long as a job refers to it.
    public let expiresAt: Timestamp

    public var id: FileID { FileID(content.hash) }

    public init(content: Content, type: String, name: String?, createdAt: Timestamp, expiresAt: Timestamp) {
        self.content = content
        self.type = type
        self.name = name
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }
}

/// A reference of a job's input to some content: the value of an input field of the type `file`.
public struct FileReference: Hashable, Sendable {
    /// The name of the input field.
    public let field: String
    public let source: Source
    /// The media types that the field accepts; empty for all.
    public let accept: [String]
    /// The largest number of bytes that the field accepts; `nil` for any.
    public let maximumBytes: Int64?

    /// What a value of the field names.
    public enum Source: Hashable, Sendable {
        /// An uploaded file of the same tenant.
        case file(FileID)
        /// An artifact of another job of the same tenant.
        case artifact(ArtifactName, of: JobID)

        /// A text that differs for each source. A store keeps it to recognize the reference in a
        /// retry.
        public var text: String {
            switch self {
            case .file(let id): id.description
            case .artifact(let name, let job): "\(job)/\(name)"
            }
        }
    }

    public init(field: String, source: Source, accept: [String] = [], maximumBytes: Int64? = nil) {
        self.field = field
        self.source = source
        self.accept = accept
        self.maximumBytes = maximumBytes
    }
}

extension FileReference {
    /// Why content that the reference names does not fit its field, as words that follow the name
    /// of the field; `nil` if it fits.
    public func problem(withType type: String, bytes: Int64) -> String? {
        if !accept.isEmpty, !accept.contains(type) {
            return "must be of type \(accept.joined(separator: ", ")), not \(type)"
        }
        if let maximumBytes, bytes > maximumBytes { return "must have at most \(maximumBytes) bytes, not \(bytes)" }
        return nil
    }
}

/// The content of an input field of the type `file`, as a claim gives it to a runner.
public struct InputFile: Hashable, Sendable, Codable {
    public let content: Content
    public let type: String

    public init(content: Content, type: String) {
        self.content = content
        self.type = type
    }
}
