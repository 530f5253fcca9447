import FoundationEssentials
import LongtakeCore

/// A program of a command stage that cannot be started, because there is no such executable file.
struct MissingProgram: Hashable, Sendable, CustomStringConvertible {
    let program: String
    let pipeline: PipelineName
    let stage: StageName

    var description: String {
        let reason =
            program.contains("/") ? "does not exist or is not executable" : "is not in PATH; install it or set PATH"
        return "the program \(program) of stage \(stage) of \(pipeline) \(reason)"
    }

    /// - Parameter searchPath: the `PATH` of the daemon. A stage can set another one.
    static func all(in catalog: PipelineCatalog, searchPath: String) -> [MissingProgram] {
        catalog.definitions.flatMap { definition in
            definition.stages.compactMap { stage in
                guard case .command(let command) = stage.work,
                    !isFound(command.program, in: command.environment["PATH"] ?? searchPath)
                else { return nil }
                return MissingProgram(program: command.program, pipeline: definition.name, stage: stage.name)
            }
        }
    }

    private static func isFound(_ program: String, in searchPath: String) -> Bool {
        guard !program.contains("/") else { return FileManager.default.isExecutableFile(atPath: program) }
        return searchPath.split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
        }
    }
}

extension StageDefinition {
    /// A line about the command for `longtake check`; `nil` if the stage is simulated.
    var commandLine: String? {
        guard case .command(let command) = work else { return nil }
        let arguments = [command.program] + command.arguments.dropFirst().map(\.source)
        return "#   \(name) (\(queue)): \(arguments.map(\.shellWord).joined(separator: " "))"
    }
}

extension String {
    /// The text as one word of a shell's command line. Control characters are escaped, so that it
    /// stays on one line.
    var shellWord: String {
        let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%{}".utf8)
        if !isEmpty, utf8.allSatisfy(plain.contains) { return self }
        guard unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else { return debugDescription }
        return "'" + replacing("'", with: "'\\''") + "'"
    }
}
