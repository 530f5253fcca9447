package import FoundationEssentials

/// JSON through Foundation's coders, for values whose members need no order of their own: members sorted by name, slashes plain, so that
/// equal values are equal text.
package enum JSONText {
    // One of each for all threads: their options are set here, and never again.
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

    /// Text that is compared and never shown: without the escapes of ``JSONLineBreaks``, which earlier versions did not write.
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
