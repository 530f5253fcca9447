/// How far something is, on one line of a terminal that is written over; nothing where standard error is no terminal.
struct ProgressLine: Sendable {
    private let text: String
    private let isShown = StandardStreams.error.isTerminal

    init(_ text: String) { self.text = text }

    /// - Parameter share: from 0 to 1.
    @Sendable func show(_ share: Double) {
        guard isShown else { return }
        StandardStreams.write("\r\(text): \(Int(share * 100)) %", to: .error)
    }

    /// Leaves nothing behind.
    func clear() {
        guard isShown else { return }
        // Erases the line from its begin (ECMA-48 §8.3.41).
        StandardStreams.write("\r\u{1b}[K", to: .error)
    }
}
