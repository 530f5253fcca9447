/// A coding key with any name.
package struct AnyCodingKey: CodingKey {
    package let stringValue: String
    package var intValue: Int? { nil }
    package init(stringValue: String) { self.stringValue = stringValue }
    package init?(intValue: Int) { nil }
}

extension Decoder {
    /// Rejects unknown keys, so that a misspelt setting or field is an error instead of a default.
    /// - Throws: a `DecodingError` whose path ends in the unknown key; the first one by name if
    ///   there are several.
    package func refuseKeys<Key: CodingKey & CaseIterable>(otherThan keys: Key.Type) throws {
        let known = Set(Key.allCases.map(\.stringValue))
        let container = try container(keyedBy: AnyCodingKey.self)
        guard let unknown = container.allKeys.map(\.stringValue).filter({ !known.contains($0) }).min() else { return }
        throw DecodingError.dataCorrupted(
            .init(
                codingPath: codingPath + [AnyCodingKey(stringValue: unknown)],
                debugDescription: "unknown key; known are \(known.sorted().joined(separator: ", "))"))
    }
}
