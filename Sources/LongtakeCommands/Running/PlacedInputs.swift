import LongtakeCore

/// Where the files that a program reads are in its working directory. The paths are relative, so
/// that no path of the machine is in an argument.
struct PlacedInputs: Hashable, Sendable {
    /// The files of the input, by field.
    let files: [String: String]
    /// The files with the texts of the input, by field.
    let texts: [String: String]
    /// The artifacts of the job, by name.
    let artifacts: [ArtifactName: String]

    /// Decides which files a program gets: all files of the input, the texts that its arguments
    /// name, and the artifacts that they name. A program with the stage protocol gets all
    /// artifacts.
    init(_ claim: Claim, work: CommandWork) {
        var names = InputNames()
        var (files, texts) = ([String: String](), [String: String]())
        for (field, file) in claim.files.sorted(by: { $0.key < $1.key }) {
            files[field] = "inputs/" + names.name(ofField: field, type: file.type)
        }
        let parts = work.arguments.flatMap(\.parts)
        for case .text(let field) in parts where texts[field] == nil && claim.input[field]?.text != nil {
            texts[field] = "inputs/" + names.name(ofField: field, type: "text/plain")
        }
        var artifacts: [ArtifactName: String] = [:]
        for record in claim.artifacts {
            let name = record.artifact.name
            guard work.usesProtocol || parts.contains(.artifact(name)) else { continue }
            artifacts[name] = "artifacts/" + name.description
        }
        (self.files, self.texts, self.artifacts) = (files, texts, artifacts)
    }

    /// The program and its arguments.
    /// - Throws: ``StageFailure`` if a placeholder inside an argument has no value. A placeholder
    ///   that is a whole argument is removed then.
    func arguments(of work: CommandWork) throws(StageFailure) -> [String] {
        var result: [String] = []
        for argument in work.arguments {
            let values = argument.parts.map(value)
            if values == [nil] { continue }
            guard let index = values.firstIndex(of: nil) else {
                result.append(values.compactMap { $0 }.joined())
                continue
            }
            throw Self.failure(for: argument.parts[index])
        }
        return result
    }

    private func value(of part: CommandArgument.Part) -> String? {
        switch part {
        case .literal(let text): text
        case .text(let field): texts[field]
        case .file(let field): files[field]
        case .artifact(let name): artifacts[name]
        }
    }

    private static func failure(for part: CommandArgument.Part) -> StageFailure {
        if case .artifact(let name) = part {
            return StageFailure(
                code: "artifact_missing", message: "no earlier stage has made the artifact “\(name)”",
                isRetryable: false)
        }
        return StageFailure(
            code: "input_missing", message: "an argument of the command needs an input that the job does not have",
            isRetryable: false)
    }
}
