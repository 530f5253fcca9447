public import LongtakeCore

/// A document that writes its members in a defined order, for people who read JSON with `curl`.
///
/// The server writes with ``JSONWriter``, because Foundation's encoder sorts members by name.
/// Clients decode the same documents with any `Decoder`.
package protocol JSONDocument: Codable {
    /// Writes the document as one JSON value.
    func write(into json: inout JSONWriter)
}

extension JSONDocument {
    /// The document as one line of JSON.
    package var json: String {
        var json = JSONWriter(capacity: 1_536)
        write(into: &json)
        return json.text
    }
}

/// A value that JSON contains as a string, such as an id.
public protocol JSONString: Codable, CustomStringConvertible {
    /// Parses the text; `nil` if it is malformed.
    init?(jsonString text: String)
}

extension JSONString {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Self(jsonString: text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "“\(text)” is not a valid \(Self.self)")
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension JobID: JSONString {
    public init?(jsonString text: String) { self.init(text) }
}

extension BackupID: JSONString {
    public init?(jsonString text: String) { self.init(text) }
}

extension EventID: JSONString {
    /// Parses `<epoch>-<seq>`.
    public init?(jsonString text: String) {
        guard case .event(let id) = Cursor(text) else { return nil }
        self = id
    }
}

extension FeedID: JSONString {
    /// Parses `<epoch>-g<position>`.
    public init?(jsonString text: String) {
        guard case .id(let id) = FeedCursor(text) else { return nil }
        self = id
    }
}

/// A member that is always present in JSON, and is `null` if there is no value.
@propertyWrapper
public struct Nullable<Value: Codable & Hashable & Sendable>: Codable, Hashable, Sendable {
    public var wrappedValue: Value?

    public init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        wrappedValue = container.decodeNil() ? nil : try container.decode(Value.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
    }
}
