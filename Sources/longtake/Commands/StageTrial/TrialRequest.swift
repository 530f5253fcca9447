import LongtakeCore

/// What the command line of `longtake run-stage` asks for.
struct TrialRequest {
    let pipeline: PipelineName
    let stage: StageName
    let input: [String: JSONValue]
    /// The files for fields of the input, by field.
    let files: [String: String]
    /// The paths of artifacts of earlier stages.
    let artifacts: [ArtifactName: String]
    /// The data of the checkpoint with which the stage goes on; `nil` if it begins.
    let checkpoint: JSONValue?
    let folder: String?
    let isUnconfined: Bool

    /// - Throws: ``TrialError`` for a value that cannot be used.
    init(
        pipeline: String, stage: String, input: String, files: [String], artifacts: [String], checkpoint: String?,
        folder: String?, isUnconfined: Bool
    ) throws(TrialError) {
        guard let pipeline = PipelineName(pipeline) else {
            throw .usage("“\(pipeline)” is not the name of a pipeline.")
        }
        guard let stage = StageName(stage) else { throw .usage("“\(stage)” is not the name of a stage.") }
        self.pipeline = pipeline
        self.stage = stage
        guard case .object(let members) = try Self.json(input, option: "--input") else {
            throw .usage("--input must be a JSON object, such as '{\"prompt\": \"a paper boat\"}'.")
        }
        self.input = members
        self.files = try Self.paths(files, option: "--file")
        var named: [ArtifactName: String] = [:]
        for (name, path) in try Self.paths(artifacts, option: "--artifact") {
            guard let name = ArtifactName(name) else { throw .usage("“\(name)” is not the name of an artifact.") }
            named[name] = path
        }
        self.artifacts = named
        self.checkpoint = if let checkpoint { try Self.json(checkpoint, option: "--checkpoint") } else { nil }
        self.folder = folder
        self.isUnconfined = isUnconfined
    }

    /// Parses JSON from an option: the text itself, or the content of a file.
    private static func json(_ text: String, option: String) throws(TrialError) -> JSONValue {
        var bytes = Array(text.utf8)
        if text == "-" || text.hasPrefix("@") {
            do throws(ReadableFile.Failure) {
                bytes = try ReadableFile.read(text == "-" ? "/dev/stdin" : String(text.dropFirst()))
            } catch {
                throw .usage("\(option): \(error).")
            }
        }
        do throws(JSONParseError) {
            return try JSONReader.read(bytes)
        } catch {
            throw .usage("\(option) is not valid JSON: \(error)")
        }
    }

    /// Parses values of the form `NAME=PATH`.
    private static func paths(_ values: [String], option: String) throws(TrialError) -> [String: String] {
        var paths: [String: String] = [:]
        for value in values {
            let parts = value.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw .usage("\(option) needs NAME=PATH, not “\(value)”.") }
            guard paths.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw .usage("\(option) names “\(parts[0])” twice.")
            }
        }
        return paths
    }
}

/// Why a stage was not run. The text is for the person at the command line.
struct TrialError: Error, CustomStringConvertible, Hashable {
    let description: String
    /// The exit status.
    let status: Int32

    /// An error in the command line, the input or the files.
    static func usage(_ text: String) -> TrialError { TrialError(description: text, status: 2) }

    /// The machine or the settings do not allow the run.
    static func machine(_ text: String) -> TrialError {
        TrialError(description: text, status: SettingsError.exitStatus)
    }

    /// The disk failed.
    static func disk(_ text: String) -> TrialError { TrialError(description: text, status: 1) }
}
