import LongtakeCore

/// The bytes of all stored content: a pure value.
///
/// Changes are counted from the start. What was stored before is counted by a listing that runs
/// beside them, one ``Place`` at a time. So until the listing ends, the bytes are too few.
///
/// ```text
/// a change of content       begin(key) · rename or unlink · end(key)
/// a page of the listing     read the names and sizes · add(place, content)
/// ```
/// The two may overlap. Content that begins to change before its place is added is remembered, and
/// the page does not count it: the change does.
struct ContentUsage: Sendable {
    /// The directory in which content is listed: a tenant and the first digits of the hash.
    struct Place: Hashable {
        let tenant: TenantName
        let prefix: String
    }

    private(set) var bytes: Int64 = 0
    /// Whether the listing has ended, so that ``bytes`` is exact.
    private(set) var isComplete = false
    /// The places that the listing has added.
    private var added: Set<Place> = []
    /// The counted bytes of content that has changed since its place could be read.
    private var changed: [ContentKey: Int64] = [:]
    private var changing: Set<ContentKey> = []

    /// Content is about to change. The caller holds its lock until ``end(_:in:before:after:)``.
    mutating func begin(_ key: ContentKey, in place: Place) {
        changing.insert(key)
        if !isAdded(place), changed[key] == nil { changed[key] = 0 }
    }

    /// The change is over.
    /// - Parameters:
    ///   - before: the bytes that it had; 0 if it did not exist.
    ///   - after: the bytes that it has now.
    mutating func end(_ key: ContentKey, in place: Place, before: Int64, after: Int64) {
        changing.remove(key)
        bytes += after - (changed[key] ?? before)
        changed[key] = isAdded(place) ? nil : after
    }

    /// Counts what a place contains. Content that changes meanwhile is not counted twice.
    mutating func add(_ place: Place, _ content: [(key: ContentKey, bytes: Int64)]) {
        guard !isComplete, added.insert(place).inserted else { return }
        for (key, count) in content where changed[key] == nil { bytes += count }
        for (key, _) in content where !changing.contains(key) { changed[key] = nil }
    }

    /// The listing has ended.
    mutating func complete() {
        isComplete = true
        added = []
        changed = changed.filter { changing.contains($0.key) }
    }

    private func isAdded(_ place: Place) -> Bool { isComplete || added.contains(place) }
}
