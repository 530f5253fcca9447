import LongtakeCore
import Synchronization
import Testing

@testable import longtake

/// The output of `longtake run-stage` on a terminal and in a file.
@Suite struct TrialDisplayTests {
    /// Collects what a display writes.
    private final class Output: Sendable {
        private let written = Mutex("")

        var text: String { written.withLock { $0 } }

        func add(_ text: String) { written.withLock { $0 += text } }
    }

    private static func output(isTerminal: Bool, _ use: (TrialDisplay) -> Void) -> String {
        let output = Output()
        use(TrialDisplay(isTerminal: isTerminal, write: { output.add($0) }))
        return output.text
    }

    private static func report(_ display: TrialDisplay) {
        display.show(StageReport(progress: Progress(0.5), message: "frame 1 of 2"))
        display.show(StageReport(progress: Progress(0.5), message: "frame 1 of 2", checkpoint: .integer(1)))
        display.fail("stopped")
    }

    @Test("has a line for each new progress if it is no terminal")
    func lines() {
        #expect(
            Self.output(isTerminal: false, Self.report) == """
                progress    50 %  frame 1 of 2
                checkpoint 1
                result     stopped

                """)
    }

    @Test("has one bar on a terminal, and other lines above it")
    func bar() {
        let bar = String(repeating: "█", count: 15) + String(repeating: "░", count: 15) + "  50 %  frame 1 of 2"
        let clear = "\r\u{1b}[K"
        #expect(
            Self.output(isTerminal: true, Self.report) == clear + bar + clear + bar + clear + "checkpoint 1\n" + bar
                + clear + bar + "\n" + clear + "result     stopped\n")
    }

    @Test("lets no program send control characters to the terminal")
    func controls() {
        let text = Self.output(isTerminal: false) {
            $0.show(StageReport(progress: .none, message: "\u{1b}[2Ja\r\nb"))
        }
        #expect(text == "progress     0 %  \u{fffd}[2Ja\u{fffd}\u{fffd}b\n")
    }
}
