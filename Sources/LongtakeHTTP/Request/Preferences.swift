import LongtakeCore

/// What a client would like, as its `Prefer` header says (RFC 7240). Preferences that are not known here are passed over, as that asks.
struct Preferences: Sendable {
    /// How long the client would wait for what it asks about; `nil` where it does not say.
    let wait: Duration?

    /// - Throws: ``Problem`` with 400 where `wait` is no whole number of seconds, or more of them than anybody may wait.
    init(_ header: String?) throws(Problem) {
        // Of a preference that is given twice the first counts (RFC 7240 §2).
        guard let value = Self.value(of: "wait", in: header ?? "") else {
            wait = nil
            return
        }
        guard let seconds = Int(digits: value), seconds <= Limits.waitSeconds else {
            throw .badHeader("Prefer", "can ask to wait for a whole number of seconds up to \(Limits.waitSeconds)")
        }
        wait = .seconds(seconds)
    }

    /// `nil` where the preference is not there, empty where it has no value.
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
    /// What stands between the separators outside of quoted strings (RFC 9110 §5.6.4), without the white space around it; at least one part.
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
