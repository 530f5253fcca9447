extension InputField: Codable {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case type, required, minimum, maximum, pattern, accept, description
        case `default`
        case multipleOf = "multiple_of"
        case choices = "enum"
        case maximumMegabytes = "maximum_megabytes"
    }

    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(otherThan: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        kind = try container.decode(Kind.self, forKey: .type)
        isRequired = try container.decodeIfPresent(Bool.self, forKey: .required) ?? false
        defaultValue = try container.decodeIfPresent(JSONValue.self, forKey: .default)
        minimum = try container.decodeIfPresent(Double.self, forKey: .minimum)
        maximum = try container.decodeIfPresent(Double.self, forKey: .maximum)
        multipleOf = try container.decodeIfPresent(Int.self, forKey: .multipleOf)
        choices = try container.decodeIfPresent([String].self, forKey: .choices)
        pattern = try container.decodeIfPresent(String.self, forKey: .pattern)
        accept = try container.decodeIfPresent([String].self, forKey: .accept)
        maximumMegabytes = try container.decodeIfPresent(Double.self, forKey: .maximumMegabytes)
        description = try container.decodeIfPresent(String.self, forKey: .description)
        try checkKeys(container)
        try checkTextRules(container)
        try checkFileRules(container)
        if let multipleOf, multipleOf < 1 {
            throw DecodingError.dataCorruptedError(
                forKey: .multipleOf, in: container, debugDescription: "must be at least 1")
        }
        if let defaultValue, let problem = problem(with: defaultValue) {
            throw DecodingError.dataCorruptedError(forKey: .default, in: container, debugDescription: problem)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(kind, forKey: .type)
        try container.encode(isRequired, forKey: .required)
        try container.encode(defaultValue, forKey: .default)
        try container.encode(minimum, forKey: .minimum)
        try container.encode(maximum, forKey: .maximum)
        try container.encode(multipleOf, forKey: .multipleOf)
        try container.encode(choices, forKey: .choices)
        try container.encode(pattern, forKey: .pattern)
        try container.encode(accept, forKey: .accept)
        try container.encode(maximumMegabytes, forKey: .maximumMegabytes)
        try container.encode(description, forKey: .description)
    }

    /// Refuses rules that mean nothing for the type of the field. A `null` is no rule, so that what
    /// `GET /v1/pipelines` shows can be decoded.
    private func checkKeys(_ container: KeyedDecodingContainer<CodingKeys>) throws {
        let isText = kind == .string
        let isFile = kind == .file
        let rules: [(key: CodingKeys, isSet: Bool, isAllowed: Bool)] = [
            (.choices, choices != nil, isText), (.pattern, pattern != nil, isText),
            (.accept, accept != nil, isFile), (.maximumMegabytes, maximumMegabytes != nil, isFile),
            (.default, defaultValue != nil, !isFile), (.minimum, minimum != nil, !isFile),
            (.maximum, maximum != nil, !isFile), (.multipleOf, multipleOf != nil, !isFile),
        ]
        if let rule = rules.first(where: { $0.isSet && !$0.isAllowed }) {
            throw container.error(rule.key, "is not possible for a field of the type \(kind.rawValue)")
        }
    }

    private func checkTextRules(_ container: KeyedDecodingContainer<CodingKeys>) throws {
        if let choices, choices.isEmpty || Set(choices).count != choices.count {
            throw container.error(.choices, "must list different values")
        }
        guard let pattern else { return }
        guard pattern.utf8.count <= Limits.patternBytes else {
            throw container.error(.pattern, "must have at most \(Limits.patternBytes) bytes")
        }
        guard Self.regex(pattern) != nil else { throw container.error(.pattern, "is not a valid regular expression") }
        if let maximum, maximum > Double(Limits.matchedCharacters) {
            throw container.error(.maximum, "must be at most \(Limits.matchedCharacters) for a text with a pattern")
        }
    }

    private func checkFileRules(_ container: KeyedDecodingContainer<CodingKeys>) throws {
        if let accept {
            guard !accept.isEmpty else { throw container.error(.accept, "must name a media type") }
            let known = Self.recognizedTypes
            if let type = accept.first(where: { !known.contains($0) }) {
                throw container.error(
                    .accept, "“\(type)” is not recognized; known are \(known.sorted().joined(separator: ", "))")
            }
        }
        if let maximumMegabytes, !(maximumMegabytes > 0 && maximumMegabytes <= Limits.fileMegabytes) {
            throw container.error(.maximumMegabytes, "must be above 0 and at most \(Int(Limits.fileMegabytes))")
        }
    }

    /// The media types that the daemon finds from the first bytes of a file.
    private static var recognizedTypes: Set<String> {
        [
            "image/png", "image/jpeg", "image/webp", "image/gif", "video/mp4", "video/webm", "video/x-matroska",
            "audio/mpeg", "audio/wav", "audio/flac", "audio/ogg", "application/pdf",
        ]
    }
}
