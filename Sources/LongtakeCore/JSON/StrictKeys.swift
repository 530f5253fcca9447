/// Refuses a key that a type does not know, so that a misspelt setting or field is an error and never silently a default.
package struct StrictKeys: CodingKey {
    package let stringValue: String
    package var intValue: Int? { nil }
    package init(stringValue: String) { self.stringValue = stringValue }
    package init?(intValue: Int) { nil }
}

extension Decoder {
    /// Throws a `DecodingError` whose path ends in the first key (in order of the alphabet) that is not one of `keys`.
    package func refuseKeys<Key: CodingKey & CaseIterable>(otherThan keys: Key.Type) throws {
        let known = Set(Key.allCases.map(\.stringValue))
        let container = try container(keyedBy: StrictKeys.self)
        guard let stranger = container.allKeys.map(\.stringValue).filter({ !known.contains($0) }).min() else { return }
        throw DecodingError.dataCorrupted(
            .init(
                codingPath: codingPath + [StrictKeys(stringValue: stranger)],
                debugDescription: "unknown key; known are \(known.sorted().joined(separator: ", "))"))
    }
}
