import LongtakeCore

/// A message of a program that speaks the stage protocol: one line on its standard output.
///
/// A line is a message if it is a JSON object with at least one member, and all of its members are
/// known and of the right type. Any other line belongs to the log.
struct StageMessage: Hashable, Sendable {
    var report: Report?
    var artifact: ArtifactNote?
    /// The output of the stage, which is an object.
    var output: JSONValue?
    var error: ErrorNote?

    /// How far the program is. At least one of the values is not `nil`.
    struct Report: Hashable, Sendable {
        var progress: Double?
        var message: String?
        var checkpoint: JSONValue?
    }

    /// A file that is complete.
    struct ArtifactNote: Hashable, Sendable {
        /// The name as the program wrote it, which may be invalid.
        var name: String
        var type: String
        var role: Artifact.Role
    }

    /// Why the stage fails.
    struct ErrorNote: Hashable, Sendable {
        /// `nil` if the program gave none, or an invalid one.
        var code: String?
        var message: String
        /// `nil` if the exit status decides.
        var isRetryable: Bool?
    }

    /// Parses a line.
    /// - Returns: `nil` if the line belongs to the log.
    init?(line: [UInt8]) {
        // Most lines of most programs are no JSON, and this test costs nothing.
        guard let first = line.first(where: { $0 != 0x20 && $0 != 0x09 }), first == UInt8(ascii: "{"),
            case .object(let members)? = try? JSONReader.read(line), !members.isEmpty
        else { return nil }
        var report = Report()
        for (name, value) in members {
            switch (name, value) {
            case ("progress", .integer), ("progress", .number): report.progress = value.double
            case ("message", .string(let text)): report.message = text
            case ("checkpoint", .null): return nil
            case ("checkpoint", _): report.checkpoint = value
            case ("artifact", .string), ("type", .string): break
            case ("role", .string(let role)) where Artifact.Role(rawValue: role) != nil: break
            case ("output", .object): output = value
            case ("error", .object(let members)):
                guard let note = ErrorNote(members) else { return nil }
                error = note
            default: return nil
            }
        }
        if report != Report() { self.report = report }
        if let name = members["artifact"]?.text {
            artifact = ArtifactNote(
                name: name, type: members["type"]?.text ?? ArtifactNote.unknownType,
                role: members["role"]?.text.flatMap(Artifact.Role.init) ?? .result)
        } else if members["type"] != nil || members["role"] != nil {
            return nil
        }
    }
}

extension StageMessage.ArtifactNote {
    /// The media type of an artifact whose program names none (RFC 2046 §4.5.1).
    static let unknownType = "application/octet-stream"

    /// Whether the type has the form `type/subtype` (RFC 6838 §4.2), so that it can stand in a
    /// header.
    var hasValidType: Bool {
        let parts = type.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return type.utf8.count <= 127 && parts.count == 2
            && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy(Self.isNameByte) }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: Array("!#$&-^_.+".utf8).contains(byte)
        }
    }
}

extension StageMessage.ErrorNote {
    /// - Returns: `nil` if a member is unknown, of the wrong type, or missing.
    init?(_ members: [String: JSONValue]) {
        guard let message = members["message"]?.text else { return nil }
        self.init(code: nil, message: message, isRetryable: nil)
        for (name, value) in members {
            switch (name, value) {
            case ("message", .string): break
            case ("code", .string(let text)): code = Self.isCode(text) ? text : nil
            case ("retryable", .bool(let flag)): isRetryable = flag
            default: return nil
            }
        }
    }

    /// Whether a text has 1 to 64 characters of `a-z`, `0-9` and `_`.
    private static func isCode(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f }
    }
}
