package import FoundationEssentials

/// Encodes and decodes JSON with Foundation. The encoder sorts the members by name and does not
/// escape slashes, so equal values have equal texts.
package enum JSONText {
    // All threads share these. Nothing changes their options after this.
    private static let encoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()
    private static let decoder = {
        let decoder = JSONDecoder()
        if let key = JSONValue.scalarsHaveTypes { decoder.userInfo[key] = true }
        return decoder
    }()

    package static func encode(_ value: some Encodable) throws -> String {
        String(decoding: try data(value), as: UTF8.self)
    }

    package static func data(_ value: some Encodable) throws -> Data {
        JSONLineBreaks.escaped(in: try encoder.encode(value))
    }

    /// Encodes a value as a text that is stored for comparisons and never sent. It does not apply
    /// the escapes of ``JSONLineBreaks``, because stored texts of earlier versions do not contain
    /// them.
    package static func canonical(_ value: some Encodable) throws -> String {
        String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    package static func decode<Value: Decodable>(_ type: Value.Type, from text: String) throws -> Value {
        try decode(type, fromUTF8: Data(text.utf8))
    }

    package static func decode<Value: Decodable>(_ type: Value.Type, fromUTF8 bytes: Data) throws -> Value {
        try decoder.decode(type, from: bytes)
    }
}
