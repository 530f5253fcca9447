import Logging
import Synchronization

/// Keeps the lines of a logger in memory: the level, the message and the metadata.
final class MemoryLog: Sendable {
    private let lines = Mutex("")

    var text: String { lines.withLock { $0 } }

    func logger(level: Logger.Level) -> Logger {
        Logger(label: "longtake") { _ in Handler(logLevel: level, output: self) }
    }

    private struct Handler: LogHandler {
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level
        let output: MemoryLog

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let fields = metadata.merging(event.metadata ?? [:]) { $1 }
            output.lines.withLock { $0 += "\(event.level) \(event.message) \(fields)\n" }
        }
    }
}
