extension StageDefinition {
    /// Checks the references to input fields, so that every valid input gives a valid plan.
    /// - Parameter path: the coding path of the stage.
    /// - Throws: a `DecodingError` at the invalid key.
    func check(fields: [String: InputField], path: [any CodingKey]) throws {
        func refuse(_ key: CodingKeys, _ reason: String) -> DecodingError {
            .dataCorrupted(.init(codingPath: path + [key], debugDescription: reason))
        }
        func magnitudes(_ name: String, _ key: CodingKeys) throws -> (usual: Double, maximum: Double) {
            guard let field = fields[name] else { throw refuse(key, "the input has no field “\(name)”") }
            guard field.kind != .string, let minimum = field.minimum, minimum > 0,
                let maximum = field.maximum
            else {
                throw refuse(key, "“\(name)” must be a number or a size with a minimum above 0 and a maximum")
            }
            guard let usual = field.defaultValue.flatMap(field.magnitude) else {
                throw refuse(key, "“\(name)” must have a default")
            }
            return (usual, field.kind == .size ? maximum * maximum : maximum)
        }
        let longest = try scalesWith.reduce(seconds) { longest, name in
            let (usual, maximum) = try magnitudes(name, .scalesWith)
            return longest * maximum / usual
        }
        guard longest <= Limits.maximumTimeLimitSeconds else {
            throw refuse(
                .scalesWith,
                "the largest input would take \(Int(min(longest.rounded(), 1e15))) s; the maximum is \(Int(Limits.maximumTimeLimitSeconds)) s"
            )
        }
        if case .fields(let names) = steps {
            guard !names.isEmpty else { throw refuse(.steps, "must name a field") }
            for name in names { _ = try magnitudes(name, .steps) }
        }
        if let unknown = output?.references.filter({ fields[$0] == nil }).min() {
            throw refuse(.output, "the input has no field “\(unknown)”")
        }
        guard message.utf8.count <= Limits.reportMessageBytes else {
            throw refuse(.message, "must have at most \(Limits.reportMessageBytes) bytes")
        }
        if let unknown = message.placeholders.first(where: { !Self.placeholders.contains($0) }) {
            throw refuse(
                .message,
                "“{\(unknown)}” is not a placeholder; known are {step}, {steps}, {percent}, {clock}, {length}")
        }
    }

    /// The placeholders that the simulation replaces in a message.
    private static let placeholders: Set<String> = ["step", "steps", "percent", "clock", "length"]
}

extension JSONValue {
    /// The field names of all `$field` references in a template.
    fileprivate var references: [String] {
        switch self {
        case .string(let text) where text.hasPrefix("$"): [String(text.dropFirst())]
        case .array(let elements): elements.flatMap(\.references)
        case .object(let members): members.values.flatMap(\.references)
        default: []
        }
    }
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
