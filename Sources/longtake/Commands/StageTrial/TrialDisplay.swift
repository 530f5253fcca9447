import Glibc
import LongtakeCommands
import LongtakeCore
import Synchronization

/// Shows a run of a stage on standard output: a line for everything that happens, each with a
/// label. On a terminal, the progress is a bar below the lines.
final class TrialDisplay: Sendable {
    private struct State {
        /// The bar without its line end; empty before the first progress.
        var bar = ""
        var progress = Progress.none
        var message = ""
        var checkpoint: JSONValue?
    }

    private let isTerminal: Bool
    private let write: @Sendable (String) -> Void
    private let began = ContinuousClock.now
    private let state = Mutex(State())

    private static let labelWidth = 11
    private static let barWidth = 30

    /// - Parameters:
    ///   - isTerminal: whether the output is a terminal.
    ///   - write: writes a text to the output.
    init(
        isTerminal: Bool = StandardStreams.output.isTerminal,
        write: @escaping @Sendable (String) -> Void = { StandardStreams.write($0, to: .output) }
    ) {
        self.isTerminal = isTerminal
        self.write = write
    }

    func begin(isConfined: Bool) {
        guard !isConfined else { return }
        line("sandbox", "off: the program can read and write everything that you can")
    }

    // MARK: While the program runs

    func show(_ note: CommandNote) {
        switch note {
        case .starting(let arguments, let directory, let document):
            line("command", arguments.map(\.shellWord).joined(separator: " "))
            line("directory", directory)
            line("document", String(decoding: document, as: UTF8.self))
        case .log(let text): line("log", String(decoding: text, as: UTF8.self))
        case .result(let name, let type):
            line("artifact", "\(name) (\(type), result) is stored, and visible when the stage has succeeded")
        case .output(let value): line("output", Self.json(value))
        case .error(let code, let message, let isRetryable):
            let retry = isRetryable.map { $0 ? ", retryable" : ", not retryable" } ?? ""
            line("error", "\(code)\(retry): \(message)")
        case .ended(let how): line("ended", "\(how), after \(Self.seconds(began.duration(to: .now)))")
        }
    }

    func show(_ report: StageReport) {
        let isNew = state.withLock { state in
            let isNew = state.progress != report.progress || state.message != report.message
            (state.progress, state.message) = (report.progress, report.message)
            return isNew
        }
        let percent = Self.percent(report.progress)
        let message = report.message.isEmpty ? "" : "  \(report.message.printable)"
        if isTerminal {
            let full = Int(report.progress.value * Double(Self.barWidth))
            let blocks = String(repeating: "█", count: full) + String(repeating: "░", count: Self.barWidth - full)
            let bar = String("\(blocks) \(percent)\(message)".prefix(Self.columns - 1))
            state.withLock { $0.bar = bar }
            write("\r\u{1b}[K" + bar)
        } else if isNew {
            line("progress", percent + message)
        }
        guard let checkpoint = report.checkpoint else { return }
        line("checkpoint", Self.json(checkpoint))
    }

    /// An artifact is in the folder.
    func show(_ artifact: Artifact, at path: String) {
        let facts = "\(artifact.type), \(artifact.content.bytes) bytes, \(artifact.role.rawValue)"
        line("artifact", "\(artifact.name) (\(facts)): \(path)")
    }

    func stopping(graceSeconds: Double) {
        line("stop", "SIGTERM is sent; SIGKILL follows after \(graceSeconds) s, or at once with another Ctrl-C")
    }

    // MARK: At the end

    func succeed(_ output: JSONValue?, folder: String) {
        clearBar()
        line("result", "succeeded, with \(output.map { "the output \(Self.json($0))" } ?? "no output")")
        line("folder", folder)
    }

    func fail(_ failure: StageFailure) {
        clearBar()
        line("result", "failed with \(failure.code): \(failure.message)")
        line("retry", failure.isRetryable ? "another attempt would follow" : "the job would fail at once")
        if let detail = failure.detail { line("detail", detail) }
    }

    func fail(_ text: String) {
        clearBar()
        line("result", text)
    }

    // MARK: Lines

    /// Writes a text of one or more lines, each with the label.
    private func line(_ label: String, _ text: String) {
        let label = label + String(repeating: " ", count: max(1, Self.labelWidth - label.count))
        let lines = text.split(whereSeparator: \.isNewline).map { "\(label)\($0.printable)\n" }.joined()
        guard isTerminal else { return write(lines) }
        let bar = state.withLock { $0.bar }
        write("\r\u{1b}[K" + lines + bar)
    }

    private func clearBar() {
        let bar = state.withLock { state in
            defer { state.bar = "" }
            return state.bar
        }
        if !bar.isEmpty { write("\r\u{1b}[K\(bar)\n") }
    }

    private static func percent(_ progress: Progress) -> String {
        let text = String(Int(progress.value * 100 + 1e-6))
        return String(repeating: " ", count: 3 - text.count) + text + " %"
    }

    private static func seconds(_ duration: Duration) -> String { "\((duration / .seconds(1) * 10).rounded() / 10) s" }

    private static func json(_ value: JSONValue) -> String { (try? JSONText.encode(value)) ?? "\(value)" }

    /// The width of the terminal; 80 if it is not known.
    private static var columns: Int {
        var size = winsize()
        guard ioctl(StandardStreams.output.rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 80 }
        return Int(size.ws_col)
    }
}

extension StringProtocol {
    /// The text without control characters, so that a program cannot control the terminal.
    fileprivate var printable: String {
        String(
            String.UnicodeScalarView(
                unicodeScalars.map { $0 != "\t" && $0.properties.generalCategory == .control ? "\u{fffd}" : $0 }))
    }
}
