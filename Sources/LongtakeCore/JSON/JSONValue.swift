/// Any JSON value (RFC 8259). A number without a fraction is an `integer` if it fits into 64 bits.
public enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// The value of a member; `nil` if this is not an object or has no such member.
    public subscript(member: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[member]
    }

    public var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The number; `nil` if this is not a number.
    public var double: Double? {
        switch self {
        case .integer(let integer): Double(integer)
        case .number(let number): number
        default: nil
        }
    }
}

extension JSONValue: Codable {
    /// Set in the `userInfo` of a decoder for a format in which a string is never another type.
    /// That is the case for JSON, but not for YAML. Then `init(from:)` tries the most frequent
    /// types first, because each wrong guess creates an error with its text.
    package static let scalarsHaveTypes = CodingUserInfoKey(rawValue: "scalarsHaveTypes")

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let isTyped = Self.scalarsHaveTypes.map { decoder.userInfo[$0] != nil } ?? false
        if container.decodeNil() {
            self = .null
        } else if isTyped, let text = try? container.decode(String.self) {
            self = .string(text)
        } else if isTyped, let members = try? container.decode([String: JSONValue].self) {
            self = .object(members)
        } else if let bool = try? container.decode(Bool.self) {
            self = .bool(bool)
        } else if let integer = try? container.decode(Int64.self) {
            self = .integer(integer)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self) {
            // After the other scalars, because a YAML decoder decodes any scalar as a string.
            self = .string(text)
        } else if let members = try? container.decode([String: JSONValue].self) {
            self = .object(members)
        } else {
            self = .array(try container.decode([JSONValue].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .null:
            var container = encoder.singleValueContainer()
            try container.encodeNil()
        case .bool(let bool): try bool.encode(to: encoder)
        case .integer(let integer): try integer.encode(to: encoder)
        case .number(let number): try number.encode(to: encoder)
        case .string(let text): try text.encode(to: encoder)
        case .array(let elements):
            var container = encoder.unkeyedContainer()
            for element in elements { try element.encode(into: &container) }
        case .object(let members):
            var container = encoder.container(keyedBy: AnyCodingKey.self)
            for (name, value) in members { try value.encode(into: &container, as: AnyCodingKey(stringValue: name)) }
        }
    }

    // These encode directly into the container. `encode(_:)` for any `Encodable` would first check
    // the type of each value several times.

    private func encode(into container: inout KeyedEncodingContainer<AnyCodingKey>, as name: AnyCodingKey) throws {
        switch self {
        case .null: try container.encodeNil(forKey: name)
        case .bool(let bool): try container.encode(bool, forKey: name)
        case .integer(let integer): try container.encode(integer, forKey: name)
        case .number(let number): try container.encode(number, forKey: name)
        case .string(let text): try container.encode(text, forKey: name)
        case .array(let elements):
            var nested = container.nestedUnkeyedContainer(forKey: name)
            for element in elements { try element.encode(into: &nested) }
        case .object(let members):
            var nested = container.nestedContainer(keyedBy: AnyCodingKey.self, forKey: name)
            for (name, value) in members { try value.encode(into: &nested, as: AnyCodingKey(stringValue: name)) }
        }
    }

    private func encode(into container: inout some UnkeyedEncodingContainer) throws {
        switch self {
        case .null: try container.encodeNil()
        case .bool(let bool): try container.encode(bool)
        case .integer(let integer): try container.encode(integer)
        case .number(let number): try container.encode(number)
        case .string(let text): try container.encode(text)
        case .array(let elements):
            var nested = container.nestedUnkeyedContainer()
            for element in elements { try element.encode(into: &nested) }
        case .object(let members):
            var nested = container.nestedContainer(keyedBy: AnyCodingKey.self)
            for (name, value) in members { try value.encode(into: &nested, as: AnyCodingKey(stringValue: name)) }
        }
    }
}
