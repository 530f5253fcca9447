extension CommandDefinition {
    /// Plans the command for an input that includes the default values. Values of the input become
    /// literal text; the paths of files are known only when the stage starts.
    /// - Throws: ``InvalidInput`` if a value contains NUL or would make an argument an option.
    func plan(
        _ input: [String: JSONValue], fields: [String: InputField], output: JSONValue?
    ) throws(InvalidInput) -> CommandWork {
        var problems: [InputProblem] = []
        var planned = [CommandArgument(program)]
        for template in arguments.dropFirst() {
            guard let argument = Self.argument(template, input, fields, &problems) else { continue }
            planned.append(argument)
        }
        guard problems.isEmpty else { throw InvalidInput(problems: problems) }
        return CommandWork(
            arguments: planned, usesProtocol: usesProtocol, environment: environment, passEnvironment: passEnvironment,
            readPaths: readPaths + programFolder, writePaths: writePaths, progress: outputProgress(input),
            artifacts: artifacts, graceSeconds: graceSeconds, output: output)
    }

    /// The folder of a program beside `pipelines.yaml`, which the program may read.
    private var programFolder: [String] {
        guard let programPath, let end = programPath.lastIndex(of: "/") else { return [] }
        return [String(programPath[..<end])]
    }

    private func outputProgress(_ input: [String: JSONValue]) -> OutputProgress? {
        switch progress {
        case nil: nil
        case .percent: .percent
        case .pattern(let pattern): .pattern(pattern)
        case .ffmpeg(.seconds(let seconds)): .ffmpeg(lengthSeconds: seconds)
        case .ffmpeg(.field(let name)): input[name]?.double.map(OutputProgress.ffmpeg)
        }
    }

    /// - Returns: `nil` if the argument is a placeholder without a value.
    private static func argument(
        _ template: CommandTemplate, _ input: [String: JSONValue], _ fields: [String: InputField],
        _ problems: inout [InputProblem]
    ) -> CommandArgument? {
        var parts: [CommandArgument.Part] = []
        for part in template.parts {
            switch part {
            case .literal(let text):
                parts.append(.literal(text))
            case .input(let field):
                guard let text = input[field].flatMap(argumentText) else { return nil }
                parts.append(.literal(text))
            case .text(let field):
                guard input[field] != nil else { return nil }
                parts.append(.text(field: field))
            case .file(let field):
                guard input[field] != nil else { return nil }
                parts.append(.file(field: field))
            case .artifact(let name):
                parts.append(.artifact(name))
            }
        }
        problems += self.problems(template, input, parts)
        return parts.isEmpty ? CommandArgument("") : CommandArgument(joined(parts))
    }

    /// Problems of the values of clients in one argument.
    private static func problems(
        _ template: CommandTemplate, _ input: [String: JSONValue], _ parts: [CommandArgument.Part]
    ) -> [InputProblem] {
        var problems: [InputProblem] = []
        for case .input(let field) in template.parts where input[field]?.text?.utf8.contains(0) == true {
            problems.append(InputProblem(in: "/input", member: field, detail: "must not contain NUL"))
        }
        // A number is no option: its field says with its minimum whether it may be negative.
        if case .input(let field) = template.parts.first, input[field]?.text != nil,
            case .literal(let text) = joined(parts).first, text.utf8.first == UInt8(ascii: "-")
        {
            problems.append(InputProblem(in: "/input", member: field, detail: "must not begin with “-”"))
        }
        return problems
    }

    /// Joins literals that follow each other.
    private static func joined(_ parts: [CommandArgument.Part]) -> [CommandArgument.Part] {
        parts.reduce(into: []) { joined, part in
            if case .literal(let text) = part, case .literal(let before) = joined.last {
                joined[joined.count - 1] = .literal(before + text)
            } else {
                joined.append(part)
            }
        }
    }

    /// The text of a value in an argument; `nil` for no value. A whole number has no fraction.
    private static func argumentText(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): text
        case .integer(let integer): String(integer)
        case .number(let number): Int64(exactly: number).map(String.init) ?? String(number)
        case .bool, .null, .array, .object: nil
        }
    }
}
