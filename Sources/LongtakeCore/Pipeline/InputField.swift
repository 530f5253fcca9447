/// The rule for one field of a pipeline's input.
public struct InputField: Hashable, Sendable {
    /// The type of the field's value.
    public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        case string, integer, number
        /// A width and a height, such as `1280x720`. The bounds apply to each side.
        case size
    }

    public let kind: Kind
    public let isRequired: Bool
    /// The value if the field is absent.
    public let defaultValue: JSONValue?
    /// The lower bound of a number, of the length of a string, or of each side of a size.
    public let minimum: Double?
    /// The upper bound, like ``minimum``.
    public let maximum: Double?
    /// A number, or each side of a size, must be a multiple of this.
    public let multipleOf: Int?
    /// A text for people.
    public let description: String?

    /// Why a value breaks this rule, as words that follow the name of the field; `nil` if the value
    /// is valid.
    func problem(with value: JSONValue) -> String? {
        switch kind {
        case .string:
            guard let text = value.text else { return "must be a string" }
            // Counts code points, as JSON Schema does. A single `Character` can have thousands of
            // them.
            return range(Double(text.unicodeScalars.count)) ? nil : "must have \(bounds) characters"
        case .integer:
            guard case .integer(let integer) = value else { return "must be a whole number" }
            return range(Double(integer)) ? multiple([integer]) : "must be \(bounds)"
        case .number:
            guard let number = value.double else { return "must be a number" }
            return range(number) ? nil : "must be \(bounds)"
        case .size:
            guard let size = FrameSize(value) else { return "must be a width and a height like 1280x720" }
            let sides = [size.width, size.height]
            return sides.allSatisfy { range(Double($0)) }
                ? multiple(sides.map(Int64.init)) : "must have sides \(bounds)"
        }
    }

    /// The number with which a value scales a duration or a number of steps. For a size it is the
    /// number of pixels.
    func magnitude(of value: JSONValue) -> Double? {
        kind == .size ? FrameSize(value).map { Double($0.width) * Double($0.height) } : value.double
    }

    private func range(_ value: Double) -> Bool {
        value >= minimum ?? -.infinity && value <= maximum ?? .infinity
    }

    private func multiple(_ values: [Int64]) -> String? {
        guard let multipleOf, !values.allSatisfy({ $0.isMultiple(of: Int64(multipleOf)) }) else { return nil }
        return multipleOf == 2 ? "must be even" : "must be a multiple of \(multipleOf)"
    }

    private var bounds: String {
        switch (minimum, maximum) {
        case (let low?, let high?): "between \(Self.plain(low)) and \(Self.plain(high))"
        case (let low?, nil): "at least \(Self.plain(low))"
        case (nil, let high?): "at most \(Self.plain(high))"
        case (nil, nil): "any"
        }
    }

    private static func plain(_ value: Double) -> String { Int64(exactly: value).map(String.init) ?? String(value) }
}

extension InputField: Codable {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case type, required, minimum, maximum, description
        case `default`
        case multipleOf = "multiple_of"
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
        description = try container.decodeIfPresent(String.self, forKey: .description)
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
        try container.encode(description, forKey: .description)
    }
}

/// A width and a height in pixels, written `1280x720`.
struct FrameSize: Hashable, Sendable {
    let width: Int
    let height: Int

    init?(_ value: JSONValue) {
        // The length is checked first, because splitting takes time that grows with the square of
        // the number of consecutive combining marks.
        guard let text = value.text, text.utf8.count <= 11 else { return nil }
        let sides = text.split(separator: "x", omittingEmptySubsequences: false)
        guard sides.count == 2,
            sides.allSatisfy({ (1...5).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let width = Int(sides[0]), let height = Int(sides[1])
        else { return nil }
        self.width = width
        self.height = height
    }
}
