/// All errors in the input of a job, so that a client can correct them at once.
public struct InvalidInput: Error, Hashable, Sendable {
    public let problems: [InputProblem]

    public init(problems: [InputProblem]) { self.problems = problems }
}

/// One error in the body of a request.
public struct InputProblem: Hashable, Sendable, Codable {
    /// The JSON Pointer (RFC 6901) of the value, such as `/input/fps`.
    public let pointer: String
    /// The error, as words that follow the name of the field, such as `must be between 1 and 60`.
    public let detail: String

    public init(pointer: String, detail: String) {
        self.pointer = pointer
        self.detail = detail
    }

    /// Makes a problem of a member of `parent`, whose name it escapes (RFC 6901 §4).
    public init(in parent: String, member: String, detail: String) {
        let token = member.flatMap { $0 == "~" ? Array("~0") : $0 == "/" ? Array("~1") : [$0] }
        self.init(pointer: parent + "/" + String(token), detail: detail)
    }
}
