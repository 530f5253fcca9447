import Glibc

/// The process's standard output and error, written whole and at once.
enum StandardStreams: CInt {
    case output = 1
    case error = 2

    /// Writes all of `text`, and blocks while the reader does not take it. What a reader that is gone does not take is dropped.
    static func write(_ text: String, to stream: StandardStreams) { _ = stream.takes(text) }

    /// Writes all of `text`, and blocks while the reader does not take it.
    /// - Returns: `false` if the stream takes no more, for example because its reader is gone.
    func takes(_ text: String) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(rawValue, $0.baseAddress, $0.count) }
            if count > 0 {
                bytes = bytes.dropFirst(count)
            } else if errno == EAGAIN {
                // Whoever shares the stream with the daemon may have made it non-blocking.
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
