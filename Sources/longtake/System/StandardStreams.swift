import Glibc

/// The process's standard output and error, written whole and at once.
enum StandardStreams: CInt {
    case output = 1
    case error = 2

    /// Writes all of `text`. A reader that is gone cannot be told, so what it does not take is dropped.
    static func write(_ text: String, to stream: StandardStreams) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(stream.rawValue, $0.baseAddress, $0.count) }
            if count > 0 {
                bytes = bytes.dropFirst(count)
            } else if errno != EINTR {
                return
            }
        }
    }

    var isTerminal: Bool { isatty(rawValue) == 1 }
}
