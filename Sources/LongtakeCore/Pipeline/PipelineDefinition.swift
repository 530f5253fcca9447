/// A configured pipeline: the rules for its input, and its stages.
public struct PipelineDefinition: Hashable, Sendable {
    public let name: PipelineName
    public let description: String
    public let input: [String: InputField]
    public let stages: [StageDefinition]

    /// Checks an input, adds the default values, and plans the stages for it.
    /// - Throws: ``InvalidInput`` with all errors. Their pointers begin with `/input`.
    public func plan(_ value: JSONValue) throws(InvalidInput) -> (pipeline: Pipeline, input: JSONValue) {
        guard case .object(var members) = value else {
            throw InvalidInput(problems: [InputProblem(pointer: "/input", detail: "must be an object")])
        }
        var problems = members.keys.filter { input[$0] == nil }.sorted().map {
            InputProblem(in: "/input", member: $0, detail: "unknown field")
        }
        for (name, field) in input.sorted(by: { $0.key < $1.key }) {
            if let value = members[name], value != .null {
                if let problem = field.problem(with: value) {
                    problems.append(InputProblem(in: "/input", member: name, detail: problem))
                }
            } else if field.isRequired {
                problems.append(InputProblem(in: "/input", member: name, detail: "is required"))
            } else {
                members[name] = field.defaultValue
            }
        }
        guard problems.isEmpty else { throw InvalidInput(problems: problems) }
        let pipeline = Pipeline(name: name, stages: stages.map { $0.plan(members, fields: input) })
        return (pipeline, .object(members))
    }
}
