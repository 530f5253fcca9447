/// What is wrong with a job's input: everything at once, so that a client mends it in one go.
public struct InvalidInput: Error, Hashable, Sendable {
    public let problems: [InputProblem]

    public init(problems: [InputProblem]) { self.problems = problems }
}

/// One thing that is wrong with the body of a submission.
public struct InputProblem: Hashable, Sendable, Codable {
    /// Where, as a JSON Pointer (RFC 6901) such as `/input/fps`.
    public let pointer: String
    /// What, in words that follow the name of the field, such as `must be between 1 and 60`.
    public let detail: String

    public init(pointer: String, detail: String) {
        self.pointer = pointer
        self.detail = detail
    }

    /// A problem of a member of `parent`, whose name is escaped as RFC 6901 §4 asks.
    public init(in parent: String, member: String, detail: String) {
        let token = member.flatMap { $0 == "~" ? Array("~0") : $0 == "/" ? Array("~1") : [$0] }
        self.init(pointer: parent + "/" + String(token), detail: detail)
    }
}
