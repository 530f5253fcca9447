import LongtakeCore

/// Names what an address shows at one moment (RFC 9110 §8.8.3): a job as of the last event in its log.
///
/// It is a weak one, since a job's `queue_position` changes without an event.
struct EntityTag: Hashable, Sendable, CustomStringConvertible {
    fileprivate let opaque: String

    init(_ job: Job) { opaque = "\(job.lastEvent)" }

    /// As the `ETag` header has it.
    var description: String { "W/\"\(opaque)\"" }
}

/// What a client has already, as its `If-None-Match` header says (RFC 9110 §13.1.2).
enum KnownTags: Hashable, Sendable {
    /// Whatever is there.
    case any
    /// One of these, compared weakly: what stands in the quotes decides.
    case tags(Set<String>)

    /// `nil` where the header is absent or empty.
    /// - Throws: ``Problem`` with 400 where it cannot be read. To pass over it, as some servers do, would turn a client that waits for a
    ///   change into one that waits for the end.
    static func read(_ header: String?) throws(Problem) -> KnownTags? {
        let header = header?.trimmed ?? ""
        guard !header.isEmpty else { return nil }
        if header == "*" { return .any }
        var tags: Set<String> = []
        var rest = Array(header.utf8)[...]
        while true {
            rest = rest.drop { Self.isSpace($0) || $0 == UInt8(ascii: ",") }
            if rest.isEmpty { break }
            if rest.starts(with: "W/".utf8) { rest = rest.dropFirst(2) }
            guard rest.first == UInt8(ascii: "\""), let end = rest.dropFirst().firstIndex(of: UInt8(ascii: "\"")) else {
                throw .unreadableTags
            }
            let opaque = rest[(rest.startIndex + 1)..<end]
            // No backslash escapes here, unlike in a quoted string, and no space.
            guard opaque.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else { throw .unreadableTags }
            tags.insert(String(decoding: opaque, as: UTF8.self))
            rest = rest[(end + 1)...].drop(while: Self.isSpace)
            guard rest.isEmpty || rest.first == UInt8(ascii: ",") else { throw .unreadableTags }
        }
        guard !tags.isEmpty else { throw .unreadableTags }
        return .tags(tags)
    }

    func contains(_ tag: EntityTag) -> Bool {
        switch self {
        case .any: true
        case .tags(let tags): tags.contains(tag.opaque)
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}

extension Problem {
    fileprivate static let unreadableTags = Problem.badHeader(
        "If-None-Match", "must be “*” or entity tags as ETag gives them, such as W/\"7f3a09c2-18\"")
}
