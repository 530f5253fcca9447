/// Why the storage was not opened: a sentence for the operator that says what is wrong and what to do.
public struct StorageRefusal: Error, Hashable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
