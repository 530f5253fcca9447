import LongtakeCore
import NIOCore

/// The body of `POST /v1/jobs`. It is checked completely, so that the response lists every error.
struct SubmissionBody: Sendable {
    let pipeline: Pipeline
    let input: JSONValue
    let priority: Priority
    let metadata: [String: String]
    let simulation: Simulation?
    let files: [FileReference]

    /// - Throws: ``Problem`` with 400 if the body is not JSON in UTF-8, and with 422 if it breaks a
    ///   rule.
    init(_ bytes: ByteBuffer, catalog: PipelineCatalog) throws(Problem) {
        guard case .object(let members) = try JSONBody.parse(bytes) else {
            throw .unprocessable([InputProblem(pointer: "", detail: "must be an object")])
        }
        var problems = members.keys.filter { !Self.known.contains($0) }.sorted().map {
            InputProblem(in: "", member: $0, detail: "unknown field")
        }
        priority = Self.priority(members["priority"], &problems)
        metadata = Self.metadata(members["metadata"], &problems)
        let definition = Self.definition(members["pipeline"], catalog, &problems)
        var planned: PipelineDefinition.Plan?
        if let definition {
            do throws(InvalidInput) {
                planned = try definition.plan(members["input"] ?? .object([:]))
            } catch {
                problems += error.problems
            }
        }
        var simulation: Simulation?
        if let planned, let value = members["simulation"], value != .null {
            do throws(InvalidInput) {
                simulation = try Simulation.parse(value, for: planned.pipeline)
            } catch {
                problems += error.problems
            }
        }
        guard let planned, problems.isEmpty else { throw .unprocessable(problems) }
        (pipeline, input, files) = (planned.pipeline, planned.input, planned.files)
        self.simulation = simulation
    }

    private static let known: Set<String> = ["pipeline", "input", "priority", "metadata", "simulation"]

    private static func priority(_ value: JSONValue?, _ problems: inout [InputProblem]) -> Priority {
        guard let value, value != .null else { return .normal }
        if case .integer(let number) = value, let small = Int(exactly: number), let priority = Priority(small) {
            return priority
        }
        problems.append(InputProblem(pointer: "/priority", detail: "must be a whole number from -9 to 9"))
        return .normal
    }

    private static func metadata(_ value: JSONValue?, _ problems: inout [InputProblem]) -> [String: String] {
        guard let value, value != .null else { return [:] }
        guard case .object(let members) = value else {
            problems.append(InputProblem(pointer: "/metadata", detail: "must be an object of strings"))
            return [:]
        }
        if members.count > Limits.metadataEntries {
            problems.append(
                InputProblem(pointer: "/metadata", detail: "must have at most \(Limits.metadataEntries) entries"))
        }
        var metadata: [String: String] = [:]
        for (key, value) in members.sorted(by: { $0.key < $1.key }) {
            guard let text = value.text, text.utf8.count <= Limits.metadataValueBytes else {
                problems.append(
                    InputProblem(
                        in: "/metadata", member: key,
                        detail: "must be a string of at most \(Limits.metadataValueBytes) bytes"))
                continue
            }
            if !(1...Limits.metadataKeyBytes).contains(key.utf8.count) {
                problems.append(
                    InputProblem(
                        in: "/metadata", member: key, detail: "must have a key of 1 to \(Limits.metadataKeyBytes) bytes"
                    ))
            }
            metadata[key] = text
        }
        return metadata
    }

    private static func definition(
        _ value: JSONValue?, _ catalog: PipelineCatalog, _ problems: inout [InputProblem]
    ) -> PipelineDefinition? {
        guard let value, value != .null else { return catalog.definition(named: catalog.defaultPipeline) }
        if let text = value.text, let name = PipelineName(text), let definition = catalog.definition(named: name) {
            return definition
        }
        let known = catalog.definitions.map(\.name.description).joined(separator: ", ")
        problems.append(InputProblem(pointer: "/pipeline", detail: "must be one of \(known)"))
        return nil
    }
}
