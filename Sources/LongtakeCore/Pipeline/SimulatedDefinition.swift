/// A configured stage that the daemon simulates.
public struct SimulatedDefinition: Hashable, Sendable {
    public let steps: Steps
    public let message: String

    /// The number of steps of the simulation: a constant, or the product of some input fields.
    public enum Steps: Hashable, Sendable {
        case count(Int)
        case fields([String])
    }

    init(_ container: KeyedDecodingContainer<StageDefinition.CodingKeys>) throws {
        if let fields = try? container.decode([String].self, forKey: .steps) {
            steps = .fields(fields)
        } else {
            steps = .count(try container.decode(Int.self, forKey: .steps))
        }
        message = try container.decode(String.self, forKey: .message)
        if case .count(let count) = steps, !(1...Limits.simulatedSteps).contains(count) {
            throw container.error(
                .steps, "must be between 1 and \(Limits.simulatedSteps), or a list of input fields")
        }
    }

    /// Checks the references to input fields, so that every valid input gives a valid plan.
    /// - Throws: a `DecodingError` at the invalid key.
    func check(_ place: StagePlace) throws {
        if case .fields(let names) = steps {
            guard !names.isEmpty else { throw place.error(.steps, "must name a field") }
            for name in names { _ = try place.magnitudes(name, .steps) }
        }
        guard message.utf8.count <= Limits.reportMessageBytes else {
            throw place.error(.message, "must have at most \(Limits.reportMessageBytes) bytes")
        }
        if let unknown = message.placeholders.first(where: { !Self.placeholders.contains($0) }) {
            throw place.error(
                .message,
                "“{\(unknown)}” is not a placeholder; known are {step}, {steps}, {percent}, {clock}, {length}")
        }
    }

    /// Plans the work for an input that includes the default values.
    func plan(
        _ input: [String: JSONValue], fields: [String: InputField], expectedSeconds: Double, output: JSONValue?
    ) -> SimulatedWork {
        SimulatedWork(
            steps: stepCount(input, fields), message: message,
            lengthSeconds: input["duration_seconds"]?.double ?? expectedSeconds, output: output)
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

    /// The placeholders that the simulation replaces in a message.
    private static let placeholders: Set<String> = ["step", "steps", "percent", "clock", "length"]
}

extension String {
    /// The texts in braces. If a brace is not closed, the rest of the text counts as the name, with
    /// an ellipsis, so it is unknown.
    fileprivate var placeholders: [String] {
        split(separator: "{", omittingEmptySubsequences: false).dropFirst().map { part in
            part.firstIndex(of: "}").map { String(part[..<$0]) } ?? String(part) + "…"
        }
    }
}
