import Glibc

/// Standard output and standard error of the process. Writes are not buffered.
enum StandardStreams: CInt {
    case output = 1
    case error = 2

    /// Writes `text`. It blocks while the reader does not read, and drops the rest if the reader
    /// has closed the stream.
    static func write(_ text: String, to stream: StandardStreams) { _ = stream.write(text) }

    /// Writes `text`. It blocks while the reader does not read.
    /// - Returns: `false` if the write failed, for example because the reader has closed the
    ///   stream.
    func write(_ text: String) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(rawValue, $0.baseAddress, $0.count) }
            if count > 0 {
                bytes = bytes.dropFirst(count)
            } else if errno == EAGAIN {
                // Another process that shares the stream may have made it non-blocking.
                var wanted = pollfd(fd: rawValue, events: Int16(POLLOUT), revents: 0)
                poll(&wanted, 1, -1)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }

    var isTerminal: Bool { isatty(rawValue) == 1 }
}

/// Shows progress in percent on one line, which each update overwrites. If standard error is not a
/// terminal, it shows nothing.
struct ProgressLine: Sendable {
    private let text: String
    private let isShown = StandardStreams.error.isTerminal

    init(_ text: String) { self.text = text }

    /// Updates the line.
    /// - Parameter share: the progress, from 0 to 1.
    @Sendable func show(_ share: Double) {
        guard isShown else { return }
        StandardStreams.write("\r\(text): \(Int(share * 100)) %", to: .error)
    }

    /// Erases the line.
    func clear() {
        guard isShown else { return }
        // Erase in line (ECMA-48 §8.3.41).
        StandardStreams.write("\r\u{1b}[K", to: .error)
    }
}
