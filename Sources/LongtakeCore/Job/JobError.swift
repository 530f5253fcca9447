/// Why a job or an attempt of a stage failed. Clients see it, so it contains no stack trace, path
/// or SQL.
public struct JobError: Hashable, Sendable, Codable {
    /// A stable code for programs, such as `stage_failed` or `stage_timed_out`.
    public var code: String
    /// A sentence for people, of at most ``Limits/errorMessageBytes``.
    public var message: String
    public var stage: StageName?
    /// The end of what a failed command has written to standard error, of at most
    /// ``Limits/errorDetailBytes``; `nil` for other errors.
    public var detail: String?

    /// The error of a job that was set aside, because its stored data cannot be read.
    public static let unreadable = JobError(
        code: "unreadable",
        message: "The stored data of this job cannot be read. Submit the work again as a new job.", stage: nil)

    public init(code: String, message: String, stage: StageName?, detail: String? = nil) {
        self.code = code
        self.message = message
        self.stage = stage
        self.detail = detail
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(code, forKey: .code)
        try container.encode(message, forKey: .message)
        try container.encode(stage, forKey: .stage)
        try container.encodeIfPresent(detail, forKey: .detail)
    }

    func write(as name: StaticString, into json: inout JSONWriter) {
        json.name(name)
        write(into: &json)
    }

    /// Writes the object. The member `detail` exists only if there is one.
    package func write(into json: inout JSONWriter) {
        json.beginObject()
        json.member("code", code)
        json.member("message", message)
        json.member("stage", orNull: stage?.description)
        if let detail { json.member("detail", detail) }
        json.endObject()
    }
}
