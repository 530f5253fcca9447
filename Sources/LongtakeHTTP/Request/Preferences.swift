import LongtakeCore

/// The preferences of a request's `Prefer` header (RFC 7240).
///
/// A preference is never a reason to refuse a request: one that is unknown or cannot be read is ignored (§2).
struct Preferences: Sendable {
    /// How long the client wants to wait for what it asks about, at most ``Limits/waitSeconds``; `nil` if it does not say.
    let wait: Duration?
    /// What `Preference-Applied` says if the wait is honoured: `wait`, with a value if it is not the one that the client sent (§3).
    let applied: String

    init(_ header: String?) {
        // If a preference occurs twice, the first one counts (§2).
        let value = Self.value(of: "wait", in: header ?? "")
        guard let value, let seconds = Self.wholeSeconds(in: value) else {
            (wait, applied) = (nil, "")
            return
        }
        wait = .seconds(seconds)
        applied = Int(digits: value) == seconds ? "wait" : "wait=\(seconds)"
    }

    /// The whole seconds of a number with or without a fraction, capped at ``Limits/waitSeconds``; `nil` if the text is no such number.
    private static func wholeSeconds(in text: String) -> Int? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else { return nil }
        // What does not fit is a long wait too.
        return min(Int(parts[0]) ?? .max, Limits.waitSeconds)
    }

    /// The value of a preference: `nil` if the header does not have it, empty if it has no value.
    private static func value(of name: String, in header: String) -> String? {
        for preference in header.parts(separatedBy: UInt8(ascii: ",")) {
            // What follows a semicolon are parameters; those that we know have none.
            let pair = preference.parts(separatedBy: UInt8(ascii: ";"))[0].parts(
                separatedBy: UInt8(ascii: "="), most: 2)
            guard pair[0].lowercased() == name else { continue }
            let value = pair.count > 1 ? pair[1] : ""
            let isQuoted = value.utf8.count > 1 && value.hasPrefix("\"") && value.hasSuffix("\"")
            return isQuoted ? String(value.dropFirst().dropLast()) : value
        }
        return nil
    }
}

extension String {
    /// The parts between separators outside of quoted strings (RFC 9110 §5.6.4), without the white space around them; at least one part.
    func parts(separatedBy separator: UInt8, most: Int = .max) -> [String] {
        var parts: [[UInt8]] = [[]]
        var (isQuoted, isEscaped) = (false, false)
        for byte in utf8 {
            if byte == separator, !isQuoted, parts.count < most {
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
    /// A number of decimal digits and nothing else.
    init?(digits text: String) {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        self.init(text)
    }
}
