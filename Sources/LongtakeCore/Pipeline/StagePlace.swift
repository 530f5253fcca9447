/// The place of a configured stage in its pipeline, for the check of its references.
struct StagePlace {
    /// The input fields of the pipeline.
    let fields: [String: InputField]
    /// The stages that run before it.
    let earlier: ArraySlice<StageDefinition>
    /// The coding path of the stage.
    let path: [any CodingKey]

    /// An error at a key of the stage.
    /// - Parameter entry: the index in the list that is the key's value.
    func error(_ key: StageDefinition.CodingKeys, entry: Int? = nil, _ reason: String) -> DecodingError {
        let index = entry.map { [AnyCodingKey(stringValue: "\($0)")] } ?? []
        return .dataCorrupted(.init(codingPath: path + [key] + index, debugDescription: reason))
    }

    /// The usual and the largest magnitude of a field that scales something.
    func magnitudes(
        _ name: String, _ key: StageDefinition.CodingKeys
    ) throws -> (usual: Double, maximum: Double) {
        guard let field = fields[name] else { throw error(key, "the input has no field “\(name)”") }
        guard field.kind.isNumeric, let minimum = field.minimum, minimum > 0, let maximum = field.maximum else {
            throw error(key, "“\(name)” must be a number or a size with a minimum above 0 and a maximum")
        }
        guard let usual = field.defaultValue.flatMap(field.magnitude) else {
            throw error(key, "“\(name)” must have a default")
        }
        return (usual, field.kind == .size ? maximum * maximum : maximum)
    }
}

extension StageDefinition {
    /// Checks the references to input fields and artifacts, so that every valid input gives a valid
    /// plan.
    /// - Throws: a `DecodingError` at the invalid key.
    func check(_ place: StagePlace) throws {
        let longest = try scalesWith.reduce(seconds) { longest, name in
            let (usual, maximum) = try place.magnitudes(name, .scalesWith)
            return longest * maximum / usual
        }
        guard longest <= Limits.maximumTimeLimitSeconds else {
            throw place.error(
                .scalesWith,
                "the largest input would take \(Int(min(longest.rounded(), 1e15))) s; the maximum is \(Int(Limits.maximumTimeLimitSeconds)) s"
            )
        }
        if let unknown = output?.references.filter({ place.fields[$0] == nil }).min() {
            throw place.error(.output, "the input has no field “\(unknown)”")
        }
        switch work {
        case .simulated(let work): try work.check(place)
        case .command(let work): try work.check(place)
        }
    }
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
