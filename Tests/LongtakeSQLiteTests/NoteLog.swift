import Logging
import LongtakeTesting
import Synchronization

/// Collects the log lines, and gives a signal for each line that a test waits for.
final class NoteLog: LogHandler {
    private struct State {
        var notes: [String] = []
        var signals: [String: Signal] = [:]
    }

    private let state = Mutex(State())

    /// Each line: the message and its metadata, sorted.
    var notes: [String] { state.withLock { $0.notes } }

    /// A signal that is given when a message with this text is logged.
    subscript(text: String) -> Signal {
        state.withLock { state in
            if let signal = state.signals[text] { return signal }
            let signal = Signal()
            state.signals[text] = signal
            if state.notes.contains(where: { $0.contains(text) }) { signal.give() }
            return signal
        }
    }

    /// A logger that writes here.
    var logger: Logger { Logger(label: "test") { _ in self } }

    var logLevel: Logger.Level {
        get { .info }
        set {}
    }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        let values = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
        let note = "\(event.message)" + values.joined()
        let signals = state.withLock { state in
            state.notes.append(note)
            return state.signals.filter { note.contains($0.key) }.map(\.value)
        }
        for signal in signals { signal.give() }
    }
}
