/// What a client's `Accept` header takes (RFC 9110 §12.5.1), and which of several representations it gets.
struct Acceptance: Sendable {
    private struct Range {
        let type: String
        let subtype: String
        let quality: Double
    }

    private let ranges: [Range]

    /// An absent or empty header takes everything. A range that cannot be read counts as not there.
    init(_ header: String?) {
        let header = header?.trimmed ?? ""
        guard !header.isEmpty else {
            ranges = [Range(type: "*", subtype: "*", quality: 1)]
            return
        }
        ranges = header.split(separator: ",").compactMap { item in
            let parts = item.split(separator: ";").map { String($0).trimmed.lowercased() }
            guard let names = parts.first?.split(separator: "/", omittingEmptySubsequences: false), names.count == 2
            else { return nil }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 }
            return Range(type: String(names[0]), subtype: String(names[1]), quality: weight ?? 1)
        }
    }

    /// Whether the header names this type itself, and does not refuse it.
    func names(_ mediaType: String) -> Bool {
        ranges.contains { "\($0.type)/\($0.subtype)" == mediaType && $0.quality > 0 }
    }

    /// The offered type with the highest quality, the earlier of equals; `nil` where none is taken.
    func choose(from offered: [String]) -> String? {
        var best: (type: String, quality: Double)?
        for type in offered {
            let quality = quality(of: type)
            if quality > 0, quality > best?.quality ?? 0 { best = (type, quality) }
        }
        return best?.type
    }

    /// The most specific range that fits decides.
    private func quality(of mediaType: String) -> Double {
        let names = mediaType.split(separator: "/").map(String.init)
        if let exact = ranges.first(where: { $0.type == names[0] && $0.subtype == names[1] }) { return exact.quality }
        if let family = ranges.first(where: { $0.type == names[0] && $0.subtype == "*" }) { return family.quality }
        return ranges.first { $0.type == "*" && $0.subtype == "*" }?.quality ?? 0
    }
}

extension StringProtocol {
    /// Without the optional white space that HTTP allows around list items (RFC 9110 §5.6.3).
    var trimmed: String {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        return String(decoding: utf8.drop(while: isSpace).reversed().drop(while: isSpace).reversed(), as: UTF8.self)
    }
}

/// The media types that the daemon speaks.
enum MediaTypes {
    static let eventStream = "text/event-stream"
    static let lines = "application/x-ndjson"
    static let json = "application/json"
}
