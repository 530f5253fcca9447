/// A configured stage, before it is planned for the input of a job.
public struct StageDefinition: Hashable, Sendable {
    public let name: StageName
    public let queue: QueueName
    /// The expected duration for the default input at speed 1.
    public let seconds: Double
    /// Names of input fields. ``seconds`` is multiplied by the ratio of each value to its default.
    public let scalesWith: [String]
    public let steps: Steps
    public let message: String
    /// The output of the stage. A string that is exactly `$field` is replaced by the value of that
    /// input field.
    public let output: JSONValue?
    public let timeLimitSeconds: Double?

    /// The number of steps of the simulation: a constant, or the product of some input fields.
    public enum Steps: Hashable, Sendable {
        case count(Int)
        case fields([String])
    }
}

extension StageDefinition: Decodable {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case name, queue, seconds, steps, message, output
        case scalesWith = "scales_with"
        case timeLimitSeconds = "time_limit_seconds"
    }

    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(otherThan: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(StageName.self, forKey: .name)
        queue = try container.decode(QueueName.self, forKey: .queue)
        seconds = try container.decode(Double.self, forKey: .seconds)
        scalesWith = try container.decodeIfPresent([String].self, forKey: .scalesWith) ?? []
        if let fields = try? container.decode([String].self, forKey: .steps) {
            steps = .fields(fields)
        } else {
            steps = .count(try container.decode(Int.self, forKey: .steps))
        }
        message = try container.decode(String.self, forKey: .message)
        output = try container.decodeIfPresent(JSONValue.self, forKey: .output)
        timeLimitSeconds = try container.decodeIfPresent(Double.self, forKey: .timeLimitSeconds)
        func refuse(_ key: CodingKeys, _ reason: String) -> DecodingError {
            .dataCorruptedError(forKey: key, in: container, debugDescription: reason)
        }
        guard seconds > 0, seconds <= Limits.maximumTimeLimitSeconds else {
            throw refuse(.seconds, "must be above 0 and at most \(Int(Limits.maximumTimeLimitSeconds))")
        }
        if case .count(let count) = steps, !(1...Limits.simulatedSteps).contains(count) {
            throw refuse(.steps, "must be between 1 and \(Limits.simulatedSteps), or a list of input fields")
        }
        if let timeLimitSeconds, !(1...Limits.maximumTimeLimitSeconds).contains(timeLimitSeconds) {
            throw refuse(.timeLimitSeconds, "must be between 1 and \(Int(Limits.maximumTimeLimitSeconds))")
        }
    }
}

extension StageDefinition {
    /// Plans the stage for an input that includes the default values.
    func plan(_ input: [String: JSONValue], fields: [String: InputField]) -> Stage {
        let ratios = scalesWith.map { name -> Double in
            guard let field = fields[name], let value = input[name].flatMap(field.magnitude),
                let usual = field.defaultValue.flatMap(field.magnitude), usual > 0
            else { return 1 }
            return value / usual
        }
        let expected = ratios.reduce(seconds, *)
        let length = input["duration_seconds"]?.double ?? expected
        let work = SimulatedWork(
            steps: stepCount(input, fields), message: message, lengthSeconds: length,
            output: output.map { Self.fill($0, from: input) })
        return Stage(
            name: name, queue: queue, expectedSeconds: expected, timeLimitSeconds: timeLimitSeconds,
            work: .simulated(work))
    }

    private func stepCount(_ input: [String: JSONValue], _ fields: [String: InputField]) -> Int {
        switch steps {
        case .count(let count):
            return count
        case .fields(let names):
            let factors = names.map { name in input[name].flatMap { fields[name]?.magnitude(of: $0) } ?? 1 }
            return Int(min(max(factors.reduce(1, *).rounded(), 1), Double(Limits.simulatedSteps)))
        }
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
