import LongtakeAPI

/// The header `Content-Disposition` (RFC 6266, and RFC 7578 §4.2 for a part of a form).
struct ContentDisposition: Hashable, Sendable {
    /// In lower case, such as `attachment` or `form-data`.
    let type: String
    /// The name of the field of a form; `nil` if there is none.
    let name: String?
    /// The name of the file without directories; `nil` if there is none.
    let filename: String?

    /// Bytes of a file name. Most file systems have this limit.
    static let filenameBytes = 255

    /// Parses the header. Like browsers, it ignores parameters that it cannot parse.
    init(_ header: String) {
        var parts = header.parts(separatedBy: UInt8(ascii: ";"))[...]
        type = parts.popFirst()?.lowercased() ?? ""
        var parameters: [String: String] = [:]
        for part in parts {
            let pair = part.parts(separatedBy: UInt8(ascii: "="), limit: 2)
            guard pair.count == 2, !pair[0].isEmpty else { continue }
            // If a parameter occurs twice, the first one applies.
            let key = pair[0].lowercased()
            if parameters[key] == nil { parameters[key] = pair[1] }
        }
        let isForm = type == "form-data"
        name = parameters["name"].map { Self.plain($0, isForm: isForm) }
        let plain = parameters["filename"].map { Self.plain($0, isForm: isForm) }
        filename = (parameters["filename*"].flatMap(Self.extended) ?? plain).flatMap(Self.fileName)
    }

    /// The value of a token or of a quoted string.
    /// - Parameter isForm: browsers escape only three characters in a form, as `%22`, `%0D` and
    ///   `%0A` (WHATWG HTML, “multipart/form-data encoding algorithm”).
    private static func plain(_ value: String, isForm: Bool) -> String {
        guard value.utf8.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") else { return value }
        var bytes: [UInt8] = []
        var isEscaped = false
        for byte in value.utf8.dropFirst().dropLast() {
            if byte == UInt8(ascii: "\\"), !isEscaped {
                isEscaped = true
                continue
            }
            // Old browsers send the whole path of a Windows file, without escapes. So only a quote
            // and a backslash count as escaped.
            if isEscaped, byte != UInt8(ascii: "\\"), byte != UInt8(ascii: "\"") { bytes.append(UInt8(ascii: "\\")) }
            bytes.append(byte)
            isEscaped = false
        }
        let text = String(decoding: bytes, as: UTF8.self)
        guard isForm else { return text }
        return text.replacing("%22", with: "\"").replacing("%0D", with: "\r").replacing("%0A", with: "\n")
    }

    /// The value of an extended parameter, such as `UTF-8''na%C3%AFve.png` (RFC 8187 §3.2).
    /// - Returns: `nil` for any other character set than UTF-8, and for a malformed value.
    private static func extended(_ value: String) -> String? {
        let parts = value.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].lowercased() == "utf-8" else { return nil }
        return PercentEncoding.decode(parts[2])
    }

    /// The last component of a path, without control characters (RFC 6266 §4.3).
    /// - Returns: `nil` if nothing is left, or if the name is longer than ``filenameBytes``.
    private static func fileName(_ text: String) -> String? {
        let last = text.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last ?? ""
        var scalars = String.UnicodeScalarView()
        scalars.append(contentsOf: last.unicodeScalars.filter { $0.properties.generalCategory != .control })
        let name = String(scalars)
        guard !name.isEmpty, name != ".", name != "..", name.utf8.count <= filenameBytes else { return nil }
        return name
    }
}

extension ContentDisposition {
    /// The value of the header of a response.
    ///
    /// Clients that do not know `filename*` get a name in ASCII (RFC 6266 appendix D).
    /// - Parameters:
    ///   - isAttachment: whether a browser saves the content instead of showing it.
    ///   - name: the name of the file; `nil` for none.
    static func text(isAttachment: Bool, name: String?) -> String {
        let type = isAttachment ? "attachment" : "inline"
        guard let name else { return type }
        let fallback = String(name.unicodeScalars.map { isPlain($0) ? Character($0) : "_" })
        let extended = fallback == name ? "" : "; filename*=UTF-8''\(PercentEncoding.encode(name))"
        return "\(type); filename=\"\(fallback)\"\(extended)"
    }

    /// Whether all clients read the character in a quoted string in the same way. Some of them
    /// decode escapes with `%`, and treat a backslash as part of a path.
    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        (0x20...0x7e).contains(scalar.value) && !["\"", "\\", "%"].contains(scalar)
    }
}
