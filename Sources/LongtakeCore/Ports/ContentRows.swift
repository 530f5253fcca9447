/// The content that the rows of a database refer to, without a daemon: of a backup, or of a
/// database that is verified. Calls block.
public protocol ContentRows {
    /// A page of the content, sorted. The bytes are those of the rows.
    /// - Parameter after: the last entry of the previous page; `nil` for the first page.
    func usedContent(after: ContentKey?, limit: Int) throws -> [(key: ContentKey, bytes: Int64)]

    /// Whether any row refers to the content.
    func isUsed(_ key: ContentKey) throws -> Bool
}

extension ContentRows {
    /// Calls `body` for all content. It holds one page in memory.
    public func visit(_ body: (ContentKey, _ bytes: Int64) throws -> Void) throws {
        var last: ContentKey?
        while case let page = try usedContent(after: last, limit: 1_000), !page.isEmpty {
            for (key, bytes) in page { try body(key, bytes) }
            last = page.last?.key
        }
    }
}
