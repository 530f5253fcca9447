import Glibc

/// What goes on at the moment, on standard error, so that standard output has results only.
enum ProgressLine {
    static func say(_ text: String) {
        let line = "… \(text)\n"
        _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }
}
