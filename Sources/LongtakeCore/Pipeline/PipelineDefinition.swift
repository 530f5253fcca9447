/// A configured pipeline: the rules for its input, and its stages.
public struct PipelineDefinition: Hashable, Sendable {
    public let name: PipelineName
    public let description: String
    public let input: [String: InputField]
    public internal(set) var stages: [StageDefinition]

    /// What a submission stores.
    public struct Plan: Hashable, Sendable {
        public let pipeline: Pipeline
        /// The input, including default values.
        public let input: JSONValue
        /// The files that the input refers to, sorted by field.
        public let files: [FileReference]
    }

    /// Checks an input, adds the default values, and plans the stages for it.
    /// - Throws: ``InvalidInput`` with all errors. Their pointers begin with `/input`.
    public func plan(_ value: JSONValue) throws(InvalidInput) -> Plan {
        guard case .object(var members) = value else {
            throw InvalidInput(problems: [InputProblem(pointer: "/input", detail: "must be an object")])
        }
        var problems = members.keys.filter { input[$0] == nil }.sorted().map {
            InputProblem(in: "/input", member: $0, detail: "unknown field")
        }
        var files: [FileReference] = []
        for (name, field) in input.sorted(by: { $0.key < $1.key }) {
            guard let value = members[name], value != .null else {
                if field.isRequired {
                    problems.append(InputProblem(in: "/input", member: name, detail: "is required"))
                }
                members[name] = field.defaultValue
                continue
            }
            do throws(InvalidInput) {
                if let file = try field.check(value, named: name) { files.append(file) }
            } catch {
                problems += error.problems
            }
        }
        guard problems.isEmpty else { throw InvalidInput(problems: problems) }
        let planned = try planStages(members)
        return Plan(pipeline: Pipeline(name: name, stages: planned), input: .object(members), files: files)
    }

    /// Plans all stages, so that the error names the problems of all of them.
    private func planStages(_ members: [String: JSONValue]) throws(InvalidInput) -> [Stage] {
        var (planned, problems) = ([Stage](), [InputProblem]())
        for stage in stages {
            do throws(InvalidInput) {
                planned.append(try stage.plan(members, fields: input))
            } catch {
                problems += error.problems.filter { !problems.contains($0) }
            }
        }
        guard problems.isEmpty else { throw InvalidInput(problems: problems) }
        return planned
    }
}
