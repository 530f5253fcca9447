/// Any JSON value (RFC 8259). Numbers without a fraction that fit are kept as 64-bit integers.
public enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// The value of an object's member; `nil` where there is none or this is no object.
    public subscript(member: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[member]
    }

    public var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The value as a number, whole or not.
    public var double: Double? {
        switch self {
        case .integer(let integer): Double(integer)
        case .number(let number): number
        default: nil
        }
    }
}

extension JSONValue: Codable {
    /// Set where a string is never read as anything else, which is so in JSON and not in YAML. Each wrong guess at a value's type costs an
    /// error, with its text, so the most frequent types are tried first there.
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
            // Behind the others, since a YAML decoder gives any scalar as text.
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
            var container = encoder.container(keyedBy: MemberName.self)
            for (name, value) in members { try value.encode(into: &container, as: MemberName(stringValue: name)) }
        }
    }

    // Into its container and not through `encode(_:)` of any `Encodable`, which asks the value's type several questions first.

    private func encode(into container: inout KeyedEncodingContainer<MemberName>, as name: MemberName) throws {
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
            var nested = container.nestedContainer(keyedBy: MemberName.self, forKey: name)
            for (name, value) in members { try value.encode(into: &nested, as: MemberName(stringValue: name)) }
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
            var nested = container.nestedContainer(keyedBy: MemberName.self)
            for (name, value) in members { try value.encode(into: &nested, as: MemberName(stringValue: name)) }
        }
    }
}

/// The name of an object's member, whatever it is.
struct MemberName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
