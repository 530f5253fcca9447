import LongtakeCore
import Testing

/// The catalog of a pipeline `p` with some input fields and stages, as JSON.
enum PipelineText {
    /// Decodes and checks the pipeline.
    static func definition(input: String = "{}", stages: String...) throws -> PipelineDefinition {
        let text = """
            {"default":"p","pipelines":{"p":{"description":"d","input":\(input),"stages":[\(stages.joined(separator: ","))]}}}
            """
        let catalog = try JSONText.decode(PipelineCatalog.self, from: text)
        return try #require(catalog.definition(named: PipelineName(unchecked: "p")))
    }

    /// A stage with a command.
    /// - Parameters:
    ///   - command: JSON texts.
    ///   - more: further members, with a comma before them.
    static func command(_ command: String..., name: String = "s", more: String = "") -> String {
        let arguments = command.map { "\"\($0)\"" }.joined(separator: ",")
        return #"{"name":"\#(name)","queue":"cpu","seconds":5,"command":[\#(arguments)]\#(more)}"#
    }

    static let simulated = #"{"name":"simulated","queue":"cpu","seconds":1,"steps":1,"message":"m"}"#

    /// The path of the key with the error and its reason; `nil` if the pipeline is valid.
    static func error(input: String = "{}", stages: String...) -> String? {
        let text = """
            {"default":"p","pipelines":{"p":{"description":"d","input":\(input),"stages":[\(stages.joined(separator: ","))]}}}
            """
        do {
            _ = try JSONText.decode(PipelineCatalog.self, from: text)
            return nil
        } catch DecodingError.dataCorrupted(let context) {
            let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
            return "\(path.dropFirst(2).joined(separator: ".")): \(context.debugDescription)"
        } catch {
            return "\(error)"
        }
    }

    /// The planned work of the stage with an index.
    static func work(
        _ definition: PipelineDefinition, _ input: JSONValue = .object([:]), stage: Int = 0
    ) throws -> CommandWork {
        guard case .command(let work) = try definition.plan(input).pipeline.stages[stage].work else {
            throw NoCommand()
        }
        return work
    }

    struct NoCommand: Error {}
}
