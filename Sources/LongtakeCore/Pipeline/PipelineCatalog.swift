/// All pipelines that the daemon knows, as `pipelines.yaml` defines them.
public struct PipelineCatalog: Hashable, Sendable {
    /// What a submission gets that names no pipeline.
    public let defaultPipeline: PipelineName
    /// In order of their names.
    public let definitions: [PipelineDefinition]

    /// The definition of this name, or `nil`.
    public func definition(named name: PipelineName) -> PipelineDefinition? {
        definitions.first { $0.name == name }
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
                throw refuse("must be 1 to \(Limits.stagesPerPipeline) stages")
            }
            guard Set(stages.map(\.name)).count == stages.count else { throw refuse("must have different names") }
            for (index, stage) in stages.enumerated() {
                let path = container.codingPath + [CodingKeys.stages, StrictKeys(stringValue: "\(index)")]
                try stage.check(fields: input, path: path)
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
                    forKey: .pipelines, in: container, debugDescription: "“\(text)” is no name for a pipeline")
            }
            return PipelineDefinition(name: name, description: body.description, input: body.input, stages: body.stages)
        }
        if definition(named: defaultPipeline) == nil {
            throw DecodingError.dataCorruptedError(
                forKey: .default, in: container, debugDescription: "there is no pipeline “\(defaultPipeline)”")
        }
    }
}
