import Logging
import LongtakeCore

/// Formats each log record as one line, as JSON or as text. ``LoggerOutput`` writes the lines
/// later.
struct LineLogHandler: LogHandler {
    enum Form: Sendable { case json, text }

    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    private let form: Form
    private let clock: any WallClock
    private let output: LoggerOutput

    init(form: Form, level: Logger.Level, clock: any WallClock, output: LoggerOutput) {
        self.form = form
        self.output = output
        logLevel = level
        self.clock = clock
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        output.write(isUrgent: event.level >= .warning) {
            let fields = metadata.merging(event.metadata ?? [:]) { $1 }
            return Self.line(form, clock.now(), event.level, "\(event.message)", fields)
        }
    }

    /// The line that says how many lines were dropped.
    static func notice(dropped count: Int, form: Form, at time: Timestamp) -> String {
        line(
            form, time, .warning, "dropped log lines because standard error was blocked",
            ["dropped": .stringConvertible(count)])
    }

    /// In text, the time, the level and the message come first. In JSON, the members are sorted.
    private static func line(
        _ form: Form, _ time: Timestamp, _ level: Logger.Level, _ message: String, _ fields: Logger.Metadata
    ) -> String {
        switch form {
        case .json:
            let own: [String: JSONValue] = [
                "ts": .string("\(time)"), "level": .string(level.rawValue), "msg": .string(message),
            ]
            let members = fields.mapValues(json).merging(own) { $1 }
            return
                ((try? JSONText.encode(members))
                ?? "{\"level\":\"error\",\"msg\":\"cannot encode a log record\"}") + "\n"
        case .text:
            let shown = fields.sorted { $0.key < $1.key }.map { "\($0.key)=\(quoted("\($0.value)"))" }
            return (["\(time)", level.rawValue.uppercased(), oneLine(message)] + shown).joined(separator: " ") + "\n"
        }
    }

    /// Numbers stay numbers. Everything else becomes a string.
    private static func json(_ value: Logger.MetadataValue) -> JSONValue {
        guard case .stringConvertible(let number) = value else { return .string("\(value)") }
        return (number as? Int).map { .integer(Int64($0)) } ?? (number as? Double).map(JSONValue.number)
            ?? .string("\(value)")
    }

    /// Replaces line breaks and control characters by spaces, so that no text of a client can begin
    /// a new line.
    private static func oneLine(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { breaksLine($0) ? " " : $0 }))
    }

    /// Whether the character is a control character (C0, C1) or a Unicode line or paragraph
    /// separator.
    private static func breaksLine(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || (0x2028...0x2029).contains(scalar.value)
    }

    private static func quoted(_ text: String) -> String {
        let line = oneLine(text)
        return line.utf8.contains(where: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\"") })
            ? "\"\(line.replacing("\"", with: "'"))\"" : line
    }
}
