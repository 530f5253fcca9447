public import LongtakeCore

/// An uploaded file in JSON. Every member is always present, and is `null` if it has no value.
public struct FileDocument: Hashable, Sendable {
    public var id: FileID
    public var bytes: Int64
    /// The media type that was found from the first bytes, or `application/octet-stream`.
    public var type: String
    @Nullable public var name: String?
    public var createdAt: Timestamp
    /// The file is kept at least until then, and as long as a job refers to it.
    public var expiresAt: Timestamp
    public var urls: URLs

    /// The URLs of a file in JSON.
    public struct URLs: Codable, Hashable, Sendable {
        /// This document.
        public var get: String
        /// The bytes.
        public var content: String
    }

    public init(_ file: UploadedFile, links: APILinks) {
        id = file.id
        bytes = file.content.bytes
        type = file.type
        _name = Nullable(wrappedValue: file.name)
        createdAt = file.createdAt
        expiresAt = file.expiresAt
        urls = URLs(get: links.file(file.id), content: links.content(of: file.id))
    }
}

extension FileDocument: Codable, JSONDocument {
    private enum CodingKeys: String, CodingKey {
        case id, bytes, type, name, urls
        case createdAt = "created_at"
        case expiresAt = "expires_at"
    }

    package func write(into json: inout JSONWriter) {
        json.beginObject()
        json.member("id", id.description)
        json.member("bytes", bytes)
        json.member("type", type)
        json.member("name", orNull: name)
        json.member("created_at", createdAt.description)
        json.member("expires_at", expiresAt.description)
        json.name("urls")
        json.beginObject()
        json.member("get", urls.get)
        json.member("content", urls.content)
        json.endObject()
        json.endObject()
    }
}

/// A page of the list of files in JSON.
public struct FileListDocument: Hashable, Sendable {
    /// Newest first.
    public var files: [FileDocument]
    /// The `cursor` of the next page; `nil` on the last page.
    @Nullable public var next: String?

    public init(_ files: [UploadedFile], next: FileID?, links: APILinks) {
        self.files = files.map { FileDocument($0, links: links) }
        _next = Nullable(wrappedValue: next?.description)
    }
}

extension FileListDocument: Codable, JSONDocument {
    private enum CodingKeys: String, CodingKey {
        case files, next
    }

    package func write(into json: inout JSONWriter) {
        json.beginObject()
        json.name("files")
        json.beginArray()
        for file in files { file.write(into: &json) }
        json.endArray()
        json.member("next", orNull: next)
        json.endObject()
    }
}
