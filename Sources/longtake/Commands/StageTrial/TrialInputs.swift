import LongtakeCore

/// The files and artifacts that a person gives to a stage, in the store of the folder.
struct TrialInputs {
    private let folder: TrialFolder
    private(set) var files: [String: InputFile] = [:]
    private(set) var artifacts: [ArtifactRecord] = []
    /// Keeps the content in the store.
    private(set) var kept: [any KeptContent] = []

    init(_ folder: TrialFolder) { self.folder = folder }

    /// Copies the files into the store, and plans the pipeline as the daemon does at submission.
    mutating func plan(
        _ request: TrialRequest, _ definition: PipelineDefinition
    ) async throws(TrialError) -> PipelineDefinition.Plan {
        var input = request.input
        for (field, path) in request.files.sorted(by: { $0.key < $1.key }) {
            let content = try await folder.add(path)
            kept.append(content)
            files[field] = InputFile(content: content.content, type: MediaType(head: content.head).rawValue)
            input[field] = .object(["file": .string(FileID(content.content.hash).description)])
        }
        let plan: PipelineDefinition.Plan
        do throws(InvalidInput) {
            plan = try definition.plan(.object(input))
        } catch {
            throw Self.invalid(error.problems)
        }
        let problems = plan.files.compactMap(problem)
        guard problems.isEmpty else { throw Self.invalid(problems) }
        return plan
    }

    private func problem(_ reference: FileReference) -> InputProblem? {
        guard let file = files[reference.field] else {
            return InputProblem(
                in: "/input", member: reference.field,
                detail: "names content of a daemon; give the file with --file \(reference.field)=PATH")
        }
        return reference.problem(withType: file.type, bytes: file.content.bytes).map {
            InputProblem(in: "/input", member: reference.field, detail: $0)
        }
    }

    private static func invalid(_ problems: [InputProblem]) -> TrialError {
        let lines = problems.map { "  \($0.pointer) \($0.detail)" }
        return .usage("the input is not valid:\n" + lines.joined(separator: "\n"))
    }

    /// Copies the artifacts into the store.
    mutating func add(_ request: TrialRequest, earlier: [Stage], stage: Stage) async throws(TrialError) {
        for (name, path) in request.artifacts.sorted(by: { $0.key < $1.key }) {
            let content = try await folder.add(path)
            kept.append(content)
            let maker = earlier.last { $0.declared(name) != nil }
            let artifact = Artifact(
                name: name, type: maker?.declared(name)?.type ?? MediaType(head: content.head).rawValue,
                content: content.content, role: .intermediate)
            // A stage that goes on can have registered artifacts itself.
            let owner = maker ?? (request.checkpoint == nil ? earlier.last : nil) ?? stage
            artifacts.append(ArtifactRecord(artifact: artifact, stage: owner.name, createdAt: SystemClock().now()))
        }
    }

    /// The outputs of earlier stages, as far as the configuration names them.
    static func outputs(of stages: ArraySlice<Stage>) -> [StageName: JSONValue] {
        var outputs: [StageName: JSONValue] = [:]
        for stage in stages {
            switch stage.work {
            case .simulated(let work): outputs[stage.name] = work.output
            case .command(let work): outputs[stage.name] = work.output
            case .remote: break
            }
        }
        return outputs
    }
}

extension Stage {
    /// The artifact of this name in the configuration of the stage.
    fileprivate func declared(_ name: ArtifactName) -> DeclaredArtifact? {
        guard case .command(let work) = work else { return nil }
        return work.artifacts.first { $0.name == name }
    }
}
