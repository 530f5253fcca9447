import Logging
import LongtakeCore

/// Writes each record as one line to standard error: JSON with stable keys for machines, text for people.
struct LineLogHandler: LogHandler {
    enum Form: Sendable { case json, text }

    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    private let form: Form
    private let clock: any WallClock

    init(form: Form, level: Logger.Level, clock: any WallClock) {
        self.form = form
        logLevel = level
        self.clock = clock
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }
        StandardStreams.write(line(event.level, "\(event.message)", fields) + "\n", to: .error)
    }

    /// `ts`, `level` and `msg` stand first in text; in JSON the members are sorted.
    private func line(_ level: Logger.Level, _ message: String, _ fields: Logger.Metadata) -> String {
        let time = clock.now().description
        switch form {
        case .json:
            let own: [String: JSONValue] = [
                "ts": .string(time), "level": .string(level.rawValue), "msg": .string(message),
            ]
            let members = fields.mapValues(Self.json).merging(own) { $1 }
            return (try? JSONText.encode(members))
                ?? "{\"level\":\"error\",\"msg\":\"a log record could not be written\"}"
        case .text:
            let shown = fields.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.quoted("\($0.value)"))" }
            return ([time, level.rawValue.uppercased(), Self.oneLine(message)] + shown).joined(separator: " ")
        }
    }

    /// Numbers stay numbers, everything else is text.
    private static func json(_ value: Logger.MetadataValue) -> JSONValue {
        guard case .stringConvertible(let number) = value else { return .string("\(value)") }
        return (number as? Int).map { .integer(Int64($0)) } ?? (number as? Double).map(JSONValue.number)
            ?? .string("\(value)")
    }

    /// Nothing that a client sends may begin a line of its own.
    private static func oneLine(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { breaksLine($0) ? " " : $0 }))
    }

    /// Controls of both kinds (C0, C1), and the separators that Unicode has for lines and paragraphs.
    private static func breaksLine(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || (0x2028...0x2029).contains(scalar.value)
    }

    private static func quoted(_ text: String) -> String {
        let line = oneLine(text)
        return line.contains(where: { $0 == " " || $0 == "\"" }) ? "\"\(line.replacing("\"", with: "'"))\"" : line
    }
}
