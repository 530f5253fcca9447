extension CommandDefinition {
    /// Names of variables that the daemon sets itself.
    private static let ownVariables: Set<String> = ["HOME", "TMPDIR", "TRACEPARENT"]
    private static let ownPrefix = "LONGTAKE_"

    /// Checks the values that need no knowledge of the pipeline.
    func checkValues(_ container: KeyedDecodingContainer<StageDefinition.CodingKeys>) throws {
        for name in environment.keys.sorted() {
            if let problem = Self.problem(withVariable: name) { throw container.error(.environment, problem) }
            guard environment[name]?.utf8.contains(0) == false else {
                throw container.error(.environment, "the value of “\(name)” must not contain NUL")
            }
        }
        for name in passEnvironment {
            if let problem = Self.problem(withVariable: name) { throw container.error(.passEnvironment, problem) }
        }
        for (key, paths) in [(StageDefinition.CodingKeys.readPaths, readPaths), (.writePaths, writePaths)] {
            let invalid = paths.first { path in
                !(path.hasPrefix("/") || path.hasPrefix("./")) || path.utf8.contains(0)
            }
            if let invalid {
                throw container.error(
                    key, "“\(invalid)” must be an absolute path, or begin with ./ (beside pipelines.yaml)")
            }
        }
        guard artifacts.count <= Limits.artifactsPerStage else {
            throw container.error(.artifacts, "must have at most \(Limits.artifactsPerStage) entries")
        }
        guard Set(artifacts.map(\.name)).count == artifacts.count else {
            throw container.error(.artifacts, "must have different names")
        }
        guard (0...Limits.maximumCommandGraceSeconds).contains(graceSeconds) else {
            throw container.error(
                .graceSeconds, "must be between 0 and \(Int(Limits.maximumCommandGraceSeconds))")
        }
    }

    private static func problem(withVariable name: String) -> String? {
        func isLetter(_ byte: UInt8) -> Bool {
            (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == 0x5f
        }
        guard let first = name.utf8.first, isLetter(first),
            name.utf8.allSatisfy({ isLetter($0) || (0x30...0x39).contains($0) })
        else { return "“\(name)” is not the name of a variable" }
        guard !ownVariables.contains(name), !name.hasPrefix(ownPrefix) else {
            return "“\(name)” is set by the daemon itself"
        }
        return nil
    }

    /// Checks the references to input fields and to artifacts of earlier stages.
    func check(_ place: StagePlace) throws {
        for (index, template) in arguments.enumerated() {
            for part in template.parts {
                if let problem = problem(with: part, of: template, place) {
                    throw place.error(.command, entry: index, problem)
                }
            }
        }
        if case .ffmpeg(.field(let name)) = progress { try checkLength(name, place) }
        let taken = Set(place.earlier.flatMap(\.declaredArtifacts))
        if let name = artifacts.map(\.name).first(where: taken.contains) {
            throw place.error(.artifacts, "an earlier stage has the artifact “\(name)” too; use different names")
        }
    }

    /// Why a placeholder cannot be replaced for every valid input.
    private func problem(with part: CommandTemplate.Part, of template: CommandTemplate, _ place: StagePlace) -> String?
    {
        if case .artifact(let name) = part {
            let isPossible = place.earlier.contains { stage in
                guard case .command(let command) = stage.work else { return false }
                // A program that speaks the protocol chooses the names of its artifacts itself.
                return command.usesProtocol || stage.declaredArtifacts.contains(name)
            }
            return isPossible ? nil : "no earlier stage makes the artifact “\(name)”"
        }
        guard let name = part.field else { return nil }
        guard let field = place.fields[name] else { return "the input has no field “\(name)”" }
        switch part {
        case .input where field.kind == .file:
            return "“\(name)” is a file; use {file.\(name)}"
        case .input where field.kind == .string && field.choices == nil && field.pattern == nil:
            return
                "“\(name)” is free text, which must not be an argument; use {text.\(name)}, the path of a file with the text, or give the field an enum or a pattern"
        case .text where field.kind != .string:
            return "“\(name)” is not a string; use {\(field.kind == .file ? "file" : "input").\(name)}"
        case .file where field.kind != .file:
            return "“\(name)” is not of the type file"
        default:
            break
        }
        guard template.isPlaceholder || field.isRequired || field.defaultValue != nil else {
            return
                "“\(name)” may be absent, and only an argument that is nothing but the placeholder can be removed then; give the field a default or make it required"
        }
        return nil
    }

    private func checkLength(_ name: String, _ place: StagePlace) throws {
        guard let field = place.fields[name], field.kind == .number || field.kind == .integer else {
            throw place.error(
                .progress,
                "needs the length of the video: a numeric input field “\(name)”, or length_seconds with a number or a field"
            )
        }
        guard let minimum = field.minimum, minimum > 0, field.isRequired || field.defaultValue != nil else {
            throw place.error(
                .progress,
                "needs the length of the video, so “\(name)” must have a minimum above 0, and be required or have a default"
            )
        }
    }
}

extension StageDefinition {
    /// The names in `artifacts`.
    var declaredArtifacts: [ArtifactName] {
        guard case .command(let command) = work else { return [] }
        return command.artifacts.map(\.name)
    }
}

extension OutputProgress {
    /// Why a text is not a valid pattern; `nil` if it is valid.
    static func problem(withPattern text: String) -> String? {
        guard text.utf8.count <= Limits.patternBytes else { return "must have at most \(Limits.patternBytes) bytes" }
        guard let regex = try? Regex(text) else { return "is not a valid regular expression" }
        guard
            regex.contains(captureNamed: "percent")
                || regex.contains(captureNamed: "done") && regex.contains(captureNamed: "of")
        else { return "must have the named groups done and of, or the named group percent" }
        return nil
    }
}
