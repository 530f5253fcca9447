/// The content that a reference of a submission names, as far as the store has it.
public struct ReferencedContent: Hashable, Sendable {
    /// The content that the retried job got for the same reference; `nil` if the submission is not
    /// a retry, or if that job has no such reference.
    public var retried: InputFile?
    /// The file or artifact of the tenant that the reference names now; `nil` if it does not exist.
    public var named: InputFile?

    public init(retried: InputFile? = nil, named: InputFile? = nil) {
        self.retried = retried
        self.named = named
    }

    /// The content for the new job. A retry gets the content of the retried job, also if its file
    /// or artifact was deleted or replaced meanwhile.
    public var content: InputFile? { retried ?? named }
}

/// A reference of a new job, and its content.
public struct ResolvedReference: Hashable, Sendable {
    public let reference: FileReference
    public let file: InputFile

    public init(_ reference: FileReference, file: InputFile) {
        self.reference = reference
        self.file = file
    }
}

extension SubmissionFacts {
    /// The content of all references of a submission.
    /// - Throws: ``JournalError/invalidReferences(_:)`` with a problem for each reference whose
    ///   content does not exist or does not fit. Files of other tenants do not exist.
    public func resolve(_ references: [FileReference]) throws(JournalError) -> [ResolvedReference] {
        guard !references.isEmpty else { return [] }
        var (resolved, problems) = ([ResolvedReference](), [InputProblem]())
        for reference in references {
            let file = content[reference.field]?.content
            if let problem = reference.problem(with: file) {
                problems.append(InputProblem(in: "/input", member: reference.field, detail: problem))
            } else if let file {
                resolved.append(ResolvedReference(reference, file: file))
            }
        }
        guard problems.isEmpty else { throw .invalidReferences(problems) }
        return resolved
    }
}

extension FileReference {
    fileprivate func problem(with file: InputFile?) -> String? {
        guard let file else {
            switch source {
            case .file: return "refers to a file that does not exist"
            case .artifact: return "refers to an artifact that does not exist"
            }
        }
        return problem(withType: file.type, bytes: file.content.bytes)
    }
}
