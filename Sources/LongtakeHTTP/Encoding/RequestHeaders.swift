import HTTPTypes
import Hummingbird
import LongtakeCore
import RawStructuredFieldValues

/// A request's `Accept` header (RFC 9110 §12.5.1), which decides the representation of the
/// response.
struct AcceptHeader: Sendable {
    private struct Range {
        let type: String
        let subtype: String
        let quality: Double
    }

    private let ranges: [Range]

    /// Parses the header. An absent or empty header accepts everything. A malformed range is
    /// ignored.
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

    /// Whether the header contains this exact type with a quality above 0.
    func names(_ mediaType: String) -> Bool {
        ranges.contains { "\($0.type)/\($0.subtype)" == mediaType && $0.quality > 0 }
    }

    /// The offered type with the highest quality; of equals, the first. `nil` if none is
    /// acceptable.
    func choose(from offered: [String]) -> String? {
        var best: (type: String, quality: Double)?
        for type in offered {
            let quality = quality(of: type)
            if quality > 0, quality > best?.quality ?? 0 { best = (type, quality) }
        }
        return best?.type
    }

    /// The quality of the most specific range that matches.
    private func quality(of mediaType: String) -> Double {
        let names = mediaType.split(separator: "/").map(String.init)
        if let exact = ranges.first(where: { $0.type == names[0] && $0.subtype == names[1] }) { return exact.quality }
        if let family = ranges.first(where: { $0.type == names[0] && $0.subtype == "*" }) { return family.quality }
        return ranges.first { $0.type == "*" && $0.subtype == "*" }?.quality ?? 0
    }
}

extension StringProtocol {
    /// The text without the optional white space that HTTP allows around list items (RFC 9110
    /// §5.6.3).
    var trimmed: String {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        return String(decoding: utf8.drop(while: isSpace).reversed().drop(while: isSpace).reversed(), as: UTF8.self)
    }
}

/// The media types that the daemon sends and receives.
enum MediaTypes {
    static let eventStream = "text/event-stream"
    static let lines = "application/x-ndjson"
    static let json = "application/json"
}

/// An entity tag (RFC 9110 §8.8.3).
struct EntityTag: Hashable, Sendable, CustomStringConvertible {
    fileprivate let opaque: String
    let isWeak: Bool

    /// The tag of a job, which is the id of the last event in its log. It is weak, because the
    /// `queue_position` of a job changes without an event.
    init(_ job: Job) { (opaque, isWeak) = ("\(job.lastEvent)", true) }

    /// The tag of some content, which is its SHA-256.
    init(_ hash: ContentHash) { (opaque, isWeak) = (hash.hex, false) }

    /// The value of the `ETag` header.
    var description: String { (isWeak ? "W/" : "") + "\"\(opaque)\"" }
}

/// A request's `If-None-Match` header (RFC 9110 §13.1.2): the versions that the client already has.
enum IfNoneMatch: Hashable, Sendable {
    /// `*` matches every version.
    case any
    /// A list of tags. The comparison is weak: only the text within the quotes counts.
    case tags(Set<String>)

    /// Parses the header.
    ///
    /// Some servers ignore a malformed header. Here, a client that waits for the next change would
    /// then wait for the end of the job.
    /// - Returns: `nil` if the header is absent or empty.
    /// - Throws: ``Problem`` with 400 if the header is malformed.
    static func parse(_ header: String?) throws(Problem) -> IfNoneMatch? {
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
                throw .malformedTags
            }
            let opaque = rest[(rest.startIndex + 1)..<end]
            // Unlike a quoted string, an entity tag contains neither escapes nor spaces.
            guard opaque.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else { throw .malformedTags }
            tags.insert(String(decoding: opaque, as: UTF8.self))
            rest = rest[(end + 1)...].drop(while: Self.isSpace)
            guard rest.isEmpty || rest.first == UInt8(ascii: ",") else { throw .malformedTags }
        }
        guard !tags.isEmpty else { throw .malformedTags }
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

extension Request {
    /// The request's `Idempotency-Key`; `nil` if the request has none.
    func idempotencyKey() throws(Problem) -> String? { try IdempotencyKey.parse(headers[values: .idempotencyKey]) }
}

/// The key with which a client can repeat a request without executing it twice.
///
/// The IETF draft (draft-ietf-httpapi-idempotency-key-header) writes the key as a quoted string.
/// Most clients write it without quotes. `"K"` and `K` are the same key.
enum IdempotencyKey {
    /// Parses the key.
    /// - Parameter fields: the values of all `Idempotency-Key` fields of a request.
    /// - Throws: ``Problem`` with 400 if the key is empty, too long or malformed, or if there are
    ///   several.
    static func parse(_ fields: [String]) throws(Problem) -> String? {
        guard let field = fields.first else { return nil }
        guard fields.count == 1, let key = key(in: field.trimmed),
            (1...HTTPLimits.idempotencyKeyBytes).contains(key.utf8.count)
        else { throw .malformedIdempotencyKey }
        return key
    }

    private static func key(in field: String) -> String? {
        guard field.hasPrefix("\"") else {
            return field.utf8.allSatisfy { (0x20...0x7e).contains($0) } ? field : nil
        }
        // A string of RFC 8941 §3.3.3, in which a backslash escapes only a quote or a backslash.
        var parser = StructuredFieldValueParser(Array(field.utf8))
        guard let item = try? parser.parseItemFieldValue(), case .string(let key) = item.rfc9651BareItem else {
            return nil
        }
        return key
    }
}

/// A request's `Prefer` header (RFC 7240). Unknown and malformed preferences are ignored (§2).
struct Preferences: Sendable {
    /// How long the client wants to wait for the response, at most ``HTTPLimits/waitSeconds``;
    /// `nil` if the header does not say.
    let wait: Duration?
    /// The value of `Preference-Applied` if the wait is honoured: `wait`, or `wait=N` if the
    /// applied value differs from the requested one (§3).
    let applied: String

    init(_ header: String?) {
        // If a preference occurs twice, the first one applies (§2).
        let value = Self.value(of: "wait", in: header ?? "")
        guard let value, let seconds = Self.wholeSeconds(in: value) else {
            (wait, applied) = (nil, "")
            return
        }
        wait = .seconds(seconds)
        applied = Int(digits: value) == seconds ? "wait" : "wait=\(seconds)"
    }

    /// The whole seconds of a decimal number, capped at ``HTTPLimits/waitSeconds``; `nil` if the
    /// text is not a decimal number.
    private static func wholeSeconds(in text: String) -> Int? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else { return nil }
        // A number that overflows is capped as well.
        return min(Int(parts[0]) ?? .max, HTTPLimits.waitSeconds)
    }

    /// The value of a preference: `nil` if the preference is absent, empty if it has no value.
    private static func value(of name: String, in header: String) -> String? {
        for preference in header.parts(separatedBy: UInt8(ascii: ",")) {
            // Parameters follow a semicolon. The known preferences have none.
            let pair = preference.parts(separatedBy: UInt8(ascii: ";"))[0].parts(
                separatedBy: UInt8(ascii: "="), limit: 2)
            guard pair[0].lowercased() == name else { continue }
            let value = pair.count > 1 ? pair[1] : ""
            let isQuoted = value.utf8.count > 1 && value.hasPrefix("\"") && value.hasSuffix("\"")
            return isQuoted ? String(value.dropFirst().dropLast()) : value
        }
        return nil
    }
}

extension String {
    /// Splits at each separator outside of quoted strings (RFC 9110 §5.6.4) and trims white space.
    /// - Returns: at least one and at most `limit` parts.
    func parts(separatedBy separator: UInt8, limit: Int = .max) -> [String] {
        var parts: [[UInt8]] = [[]]
        var (isQuoted, isEscaped) = (false, false)
        for byte in utf8 {
            if byte == separator, !isQuoted, parts.count < limit {
                parts.append([])
                continue
            }
            parts[parts.count - 1].append(byte)
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
            } else {
                isEscaped = isQuoted && byte == UInt8(ascii: "\\")
            }
        }
        return parts.map { String(decoding: $0, as: UTF8.self).trimmed }
    }
}

extension Int {
    /// Parses decimal digits; `nil` if the text contains anything else.
    init?(digits text: String) {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        self.init(text)
    }
}

/// The header names that swift-http-types does not define.
extension HTTPField.Name {
    static let idempotencyKey = known("Idempotency-Key")
    static let idempotentReplayed = known("Idempotent-Replayed")
    static let lastEventID = known("Last-Event-ID")
    static let accelBuffering = known("X-Accel-Buffering")
    static let prefer = known("Prefer")
    static let preferenceApplied = known("Preference-Applied")
    static let requestID = known("X-Request-Id")
    static let referrerPolicy = known("Referrer-Policy")
    static let crossOriginResourcePolicy = known("Cross-Origin-Resource-Policy")
    static let reprDigest = known("Repr-Digest")

    private static func known(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("“\(name)” is a field name") }
        return name
    }
}

extension Problem {
    fileprivate static let malformedTags = Problem.badHeader(
        "If-None-Match", "must be “*” or a list of entity tags as in the ETag header, such as W/\"7f3a09c2-18\"")
    fileprivate static let malformedIdempotencyKey = Problem.badHeader(
        "Idempotency-Key",
        "must be one key of 1 to \(HTTPLimits.idempotencyKeyBytes) printable ASCII characters, with or without quotes")
}
