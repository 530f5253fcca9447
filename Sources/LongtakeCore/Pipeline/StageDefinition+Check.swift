extension StageDefinition {
    /// Checks what the stage says about the input's fields, so that no input which keeps their rules can plan nonsense.
    /// - Parameter path: where the stage stands.
    /// - Throws: a `DecodingError` at the key that is wrong.
    func check(fields: [String: InputField], path: [any CodingKey]) throws {
        func refuse(_ key: CodingKeys, _ reason: String) -> DecodingError {
            .dataCorrupted(.init(codingPath: path + [key], debugDescription: reason))
        }
        func bounds(_ name: String, _ key: CodingKeys) throws -> (usual: Double, most: Double) {
            guard let field = fields[name] else { throw refuse(key, "the input has no field “\(name)”") }
            guard field.kind != .string, let least = field.minimum, least > 0, let most = field.maximum else {
                throw refuse(key, "“\(name)” must be a number or a size with a minimum above 0 and a maximum")
            }
            guard let usual = field.defaultValue.flatMap(field.magnitude) else {
                throw refuse(key, "“\(name)” must have a default")
            }
            return (usual, field.kind == .size ? most * most : most)
        }
        let longest = try scalesWith.reduce(seconds) { longest, name in
            let (usual, most) = try bounds(name, .scalesWith)
            return longest * most / usual
        }
        guard longest <= Limits.maximumTimeLimitSeconds else {
            throw refuse(
                .scalesWith,
                "the largest input would take \(Int(min(longest.rounded(), 1e15))) s; at most \(Int(Limits.maximumTimeLimitSeconds))"
            )
        }
        if case .fields(let names) = steps {
            guard !names.isEmpty else { throw refuse(.steps, "must name a field") }
            for name in names { _ = try bounds(name, .steps) }
        }
        if let stranger = output?.references.filter({ fields[$0] == nil }).min() {
            throw refuse(.output, "the input has no field “\(stranger)”")
        }
        guard message.utf8.count <= Limits.reportMessageBytes else {
            throw refuse(.message, "must have at most \(Limits.reportMessageBytes) bytes")
        }
        if let stranger = message.placeholders.first(where: { !Self.placeholders.contains($0) }) {
            throw refuse(.message, "“{\(stranger)}” is none of {step}, {steps}, {percent}, {clock}, {length}")
        }
    }

    /// What the simulation fills into a message.
    private static let placeholders: Set<String> = ["step", "steps", "percent", "clock", "length"]
}

extension JSONValue {
    /// The names of all `$field` in a template.
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
    /// The words in braces; one whose brace is never closed has its line's rest for a name, and so is unknown.
    fileprivate var placeholders: [String] {
        split(separator: "{", omittingEmptySubsequences: false).dropFirst().map { part in
            part.firstIndex(of: "}").map { String(part[..<$0]) } ?? String(part) + "…"
        }
    }
}
