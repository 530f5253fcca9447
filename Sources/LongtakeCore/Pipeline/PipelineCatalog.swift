/// All configured pipelines, as `pipelines.yaml` defines them.
public struct PipelineCatalog: Hashable, Sendable {
    /// The pipeline of a submission that names none.
    public let defaultPipeline: PipelineName
    /// Sorted by name.
    public private(set) var definitions: [PipelineDefinition]

    /// The name of a command stage, as `pipeline/stage`; `nil` if no stage is a command.
    package var firstCommand: String? { commands.first.map { "\($0.pipeline)/\($0.stage.name)" } }

    /// All command stages.
    package var commands: [(pipeline: PipelineName, stage: StageDefinition, command: CommandDefinition)] {
        definitions.flatMap { definition in
            definition.stages.compactMap { stage in
                guard case .command(let command) = stage.work else { return nil }
                return (definition.name, stage, command)
            }
        }
    }

    /// The definition with this name; `nil` if there is none.
    public func definition(named name: PipelineName) -> PipelineDefinition? {
        definitions.first { $0.name == name }
    }

    /// The catalog with the paths that begin with `./` resolved.
    /// - Parameter folder: the absolute path of the folder of `pipelines.yaml`.
    public func resolvingPaths(in folder: String) -> PipelineCatalog {
        var catalog = self
        for definition in catalog.definitions.indices {
            for stage in catalog.definitions[definition].stages.indices {
                guard case .command(let command) = catalog.definitions[definition].stages[stage].work else { continue }
                catalog.definitions[definition].stages[stage].work = .command(command.resolvingPaths(in: folder))
            }
        }
        return catalog
    }
}

extension PipelineCatalog: Decodable {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case `default`, pipelines
    }

    private struct Body: Decodable {
        let description: String
        let input: [String: InputField]
        let stages: [StageDefinition]

        enum CodingKeys: String, CodingKey, CaseIterable { case description, input, stages }

        init(from decoder: any Decoder) throws {
            try decoder.refuseKeys(otherThan: CodingKeys.self)
            let container = try decoder.container(keyedBy: CodingKeys.self)
            description = try container.decode(String.self, forKey: .description)
            input = try container.decode([String: InputField].self, forKey: .input)
            stages = try container.decode([StageDefinition].self, forKey: .stages)
            func refuse(_ reason: String) -> DecodingError {
                .dataCorruptedError(forKey: .stages, in: container, debugDescription: reason)
            }
            guard (1...Limits.stagesPerPipeline).contains(stages.count) else {
                throw refuse("must have 1 to \(Limits.stagesPerPipeline) entries")
            }
            guard Set(stages.map(\.name)).count == stages.count else { throw refuse("must have different names") }
            for (index, stage) in stages.enumerated() {
                let path = container.codingPath + [CodingKeys.stages, AnyCodingKey(stringValue: "\(index)")]
                try stage.check(StagePlace(fields: input, earlier: stages[..<index], path: path))
            }
        }
    }

    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(otherThan: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        defaultPipeline = try container.decode(PipelineName.self, forKey: .default)
        let bodies = try container.decode([String: Body].self, forKey: .pipelines)
        definitions = try bodies.sorted { $0.key < $1.key }.map { text, body in
            guard let name = PipelineName(text) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .pipelines, in: container, debugDescription: "“\(text)” is not a valid pipeline name")
            }
            return PipelineDefinition(name: name, description: body.description, input: body.input, stages: body.stages)
        }
        if definition(named: defaultPipeline) == nil {
            throw DecodingError.dataCorruptedError(
                forKey: .default, in: container, debugDescription: "no pipeline has the name “\(defaultPipeline)”")
        }
    }
}
