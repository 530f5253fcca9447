extension StageDefinition {
    /// The smallest default time limit of a command, in seconds. Commands of a video take minutes,
    /// and their duration depends on the machine.
    static let minimumCommandLimitSeconds = 3_600.0
    /// The default time limit of a command in expected durations.
    static let commandLimitFactor = 10.0

    /// Plans the stage for an input that includes the default values.
    /// - Throws: ``InvalidInput`` if a value cannot be an argument of the command.
    func plan(_ input: [String: JSONValue], fields: [String: InputField]) throws(InvalidInput) -> Stage {
        let ratios = scalesWith.map { name -> Double in
            guard let field = fields[name], let value = input[name].flatMap(field.magnitude),
                let usual = field.defaultValue.flatMap(field.magnitude), usual > 0
            else { return 1 }
            return value / usual
        }
        let expected = ratios.reduce(seconds, *)
        let output = output.map { Self.fill($0, from: input) }
        var timeLimit = timeLimitSeconds
        let planned: Stage.Work
        switch work {
        case .simulated(let work):
            planned = .simulated(
                work.plan(input, fields: fields, expectedSeconds: expected, output: output))
        case .command(let work):
            planned = .command(try work.plan(input, fields: fields, output: output))
            let usual = max(Self.commandLimitFactor * expected, Self.minimumCommandLimitSeconds)
            // Stored, because the engine's own default shrinks with the speed of the simulation.
            timeLimit = timeLimit ?? min(usual, Limits.maximumTimeLimitSeconds)
        }
        return Stage(
            name: name, queue: queue, expectedSeconds: expected, timeLimitSeconds: timeLimit, work: planned,
            retry: retry)
    }

    private static func fill(_ template: JSONValue, from input: [String: JSONValue]) -> JSONValue {
        switch template {
        case .string(let text) where text.hasPrefix("$"): input[String(text.dropFirst())] ?? .null
        case .array(let elements): .array(elements.map { fill($0, from: input) })
        case .object(let members): .object(members.mapValues { fill($0, from: input) })
        default: template
        }
    }
}
