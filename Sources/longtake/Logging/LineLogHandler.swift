import Logging
import LongtakeCore

/// Formats each record as one line: JSON with stable keys for machines, text for people. The writer writes it later.
struct LineLogHandler: LogHandler {
    enum Form: Sendable { case json, text }

    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    private let form: Form
    private let clock: any WallClock
    private let writer: LogWriter

    init(form: Form, level: Logger.Level, clock: any WallClock, writer: LogWriter) {
        self.form = form
        self.writer = writer
        logLevel = level
        self.clock = clock
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        writer.write(isUrgent: event.level >= .warning) {
            let fields = metadata.merging(event.metadata ?? [:]) { $1 }
            return Self.line(form, clock.now(), event.level, "\(event.message)", fields)
        }
    }

    /// The line that tells how many lines were dropped.
    static func notice(dropped count: Int, form: Form, at time: Timestamp) -> String {
        line(
            form, time, .warning, "lines of the log were dropped because standard error did not take them",
            ["dropped": .stringConvertible(count)])
    }

    /// `ts`, `level` and `msg` stand first in text; in JSON the members are sorted.
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
                ?? "{\"level\":\"error\",\"msg\":\"a log record could not be written\"}") + "\n"
        case .text:
            let shown = fields.sorted { $0.key < $1.key }.map { "\($0.key)=\(quoted("\($0.value)"))" }
            return (["\(time)", level.rawValue.uppercased(), oneLine(message)] + shown).joined(separator: " ") + "\n"
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
        return line.utf8.contains(where: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\"") })
            ? "\"\(line.replacing("\"", with: "'"))\"" : line
    }
}
