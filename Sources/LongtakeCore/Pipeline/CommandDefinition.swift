/// A configured stage that is a process.
public struct CommandDefinition: Hashable, Sendable {
    /// The program and its arguments. The program has no placeholders.
    public let arguments: [CommandTemplate]
    /// The path of the program if it began with `./`, resolved beside `pipelines.yaml`.
    public private(set) var programPath: String?
    public let usesProtocol: Bool
    public let environment: [String: String]
    public let passEnvironment: [String]
    public private(set) var readPaths: [String]
    public private(set) var writePaths: [String]
    public let progress: ProgressDefinition?
    public let artifacts: [DeclaredArtifact]
    public let graceSeconds: Double

    /// How to find the progress in the output of the program.
    public enum ProgressDefinition: Hashable, Sendable {
        case percent
        case ffmpeg(length: Length)
        case pattern(String)
    }

    /// The length of the video that a program writes, in seconds.
    public enum Length: Hashable, Sendable {
        case seconds(Double)
        /// The value of an input field.
        case field(String)
    }

    init(_ container: KeyedDecodingContainer<StageDefinition.CodingKeys>) throws {
        arguments = try Self.arguments(container)
        usesProtocol = try Self.usesProtocol(container)
        environment = try container.decodeIfPresent([String: String].self, forKey: .environment) ?? [:]
        passEnvironment = try container.decodeIfPresent([String].self, forKey: .passEnvironment) ?? []
        readPaths = try container.decodeIfPresent([String].self, forKey: .readPaths) ?? []
        writePaths = try container.decodeIfPresent([String].self, forKey: .writePaths) ?? []
        progress = try Self.progress(container)
        artifacts = try container.decodeIfPresent([ArtifactDefinition].self, forKey: .artifacts)?.map(\.artifact) ?? []
        graceSeconds =
            try container.decodeIfPresent(Double.self, forKey: .graceSeconds) ?? Limits.commandGraceSeconds
        try checkValues(container)
    }

    /// The name or the path of the program.
    public var program: String { programPath ?? arguments[0].literalText }

    /// The command with its paths that begin with `./` resolved in a folder. Arguments stay as they
    /// are: there `./` is the working directory.
    func resolvingPaths(in folder: String) -> CommandDefinition {
        func resolved(_ path: String) -> String {
            guard path.hasPrefix("./") else { return path }
            return folder + (folder.hasSuffix("/") ? "" : "/") + path.dropFirst(2)
        }
        var command = self
        if program.hasPrefix("./") { command.programPath = resolved(program) }
        command.readPaths = readPaths.map(resolved)
        command.writePaths = writePaths.map(resolved)
        return command
    }

    private static func arguments(
        _ container: KeyedDecodingContainer<StageDefinition.CodingKeys>
    ) throws -> [CommandTemplate] {
        let texts = try container.decode([String].self, forKey: .command)
        guard (1...Limits.commandArguments).contains(texts.count) else {
            throw container.error(
                .command, "must be a program and its arguments, at most \(Limits.commandArguments) in all")
        }
        return try texts.enumerated().map { index, text in
            func refuse(_ reason: String) -> DecodingError {
                let path = container.codingPath + [StageDefinition.CodingKeys.command]
                return .dataCorrupted(
                    .init(codingPath: path + [AnyCodingKey(stringValue: "\(index)")], debugDescription: reason))
            }
            guard !text.utf8.contains(0) else { throw refuse("must not contain NUL") }
            let template: CommandTemplate
            do throws(CommandTemplate.Invalid) {
                template = try CommandTemplate(text)
            } catch {
                throw refuse(error.reason)
            }
            if index == 0 {
                guard template.isLiteral, !text.isEmpty else {
                    throw refuse("the program must be a name or a path, without placeholders")
                }
                let program = template.literalText
                guard !program.contains("/") || program.hasPrefix("/") || program.hasPrefix("./") else {
                    throw refuse(
                        "the program must be a name, an absolute path, or a path that begins with ./ (beside pipelines.yaml)"
                    )
                }
            }
            return template
        }
    }

    private static func usesProtocol(
        _ container: KeyedDecodingContainer<StageDefinition.CodingKeys>
    ) throws -> Bool {
        guard let version = try container.decodeIfPresent(Int.self, forKey: .usesProtocol) else { return false }
        guard version == 1 else { throw container.error(.usesProtocol, "must be 1, the only version") }
        return true
    }

    private static func progress(
        _ container: KeyedDecodingContainer<StageDefinition.CodingKeys>
    ) throws -> ProgressDefinition? {
        guard container.contains(.progress) else {
            if container.contains(.lengthSeconds) {
                throw container.error(.lengthSeconds, "needs “progress: ffmpeg”")
            }
            return nil
        }
        if container.contains(.usesProtocol) {
            throw container.error(.progress, "excludes “protocol: 1”, with which the program reports its own progress")
        }
        let kind = try container.decode(ProgressKind.self, forKey: .progress)
        guard case .ffmpeg = kind else {
            if container.contains(.lengthSeconds) {
                throw container.error(.lengthSeconds, "needs “progress: ffmpeg”")
            }
            if case .pattern(let pattern) = kind { return .pattern(pattern) }
            return .percent
        }
        return .ffmpeg(length: try length(container))
    }

    private static func length(
        _ container: KeyedDecodingContainer<StageDefinition.CodingKeys>
    ) throws -> Length {
        guard container.contains(.lengthSeconds) else { return .field("duration_seconds") }
        if let seconds = try? container.decode(Double.self, forKey: .lengthSeconds) {
            guard seconds > 0, seconds <= Limits.maximumTimeLimitSeconds else {
                throw container.error(
                    .lengthSeconds, "must be above 0 and at most \(Int(Limits.maximumTimeLimitSeconds))")
            }
            return .seconds(seconds)
        }
        let text = try container.decode(String.self, forKey: .lengthSeconds)
        guard let template = try? CommandTemplate(text), template.parts.count == 1,
            case .input(let field) = template.parts[0]
        else {
            throw container.error(.lengthSeconds, "must be a number of seconds or a field such as “{input.duration}”")
        }
        return .field(field)
    }
}

/// The value of the key `progress`.
private enum ProgressKind: Decodable {
    case percent, ffmpeg
    case pattern(String)

    enum CodingKeys: String, CodingKey, CaseIterable { case pattern }

    init(from decoder: any Decoder) throws {
        if let word = try? decoder.singleValueContainer().decode(String.self) {
            switch word {
            case "percent": self = .percent
            case "ffmpeg": self = .ffmpeg
            default:
                throw DecodingError.dataCorrupted(
                    .init(
                        codingPath: decoder.codingPath,
                        debugDescription: "must be percent, ffmpeg, or {pattern: '…'}"))
            }
            return
        }
        try decoder.refuseKeys(otherThan: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let pattern = try container.decode(String.self, forKey: .pattern)
        if let problem = OutputProgress.problem(withPattern: pattern) {
            throw container.error(.pattern, problem)
        }
        self = .pattern(pattern)
    }
}

/// One entry of the key `artifacts`. The name defaults to the file name.
private struct ArtifactDefinition: Decodable {
    let artifact: DeclaredArtifact

    enum CodingKeys: String, CodingKey, CaseIterable { case path, name, type, role }

    init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(otherThan: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let path = try container.decode(String.self, forKey: .path)
        let components = path.split(separator: "/", omittingEmptySubsequences: false)
        guard components.allSatisfy({ ArtifactName($0) != nil }), path.utf8.count <= Limits.artifactPathBytes else {
            throw container.error(.path, "must be a path below the working directory, such as out/video.mp4")
        }
        let type = try container.decode(String.self, forKey: .type)
        guard type.isMediaType else { throw container.error(.type, "must be a media type such as video/mp4") }
        artifact = DeclaredArtifact(
            path: path,
            name: try container.decodeIfPresent(ArtifactName.self, forKey: .name)
                ?? ArtifactName(unchecked: String(components[components.count - 1])),
            type: type, role: try container.decodeIfPresent(Artifact.Role.self, forKey: .role) ?? .result)
    }
}

extension String {
    /// Whether this is a type and a subtype (RFC 6838 §4.2), without parameters.
    fileprivate var isMediaType: Bool {
        let names = utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let marks = Set("!#$&-^_.+".utf8)
        return names.count == 2
            && names.allSatisfy { name in
                (1...127).contains(name.count)
                    && name.allSatisfy {
                        (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0)
                            || marks.contains($0)
                    }
            }
    }
}
