import LongtakeHTTP
import NIOCore

/// One member of `http.host`: a host name, or an IP address without brackets and without a port.
enum ListenHost {
    static func isValid(_ text: String) -> Bool {
        let name = text.hasSuffix(".") ? text.dropLast() : text[...]
        return AllowedHosts.isHostName(name) || isAddress(text)
    }

    /// What to write instead of a text that is not valid; `nil` if that cannot be known.
    static func advice(_ text: String) -> String? {
        if text.contains("://") { return "“\(text)” is a URL. Write only its host." }
        if text.contains("/") { return "“\(text)” is a path. Use http.unix_socket (--unix-socket) for a Unix socket." }
        if text.contains("*") { return "“\(text)” is not an address. Write 0.0.0.0 for all IPv4 addresses, or ::." }
        let (host, port) = parts(text)
        guard host != text, isValid(host) else { return nil }
        guard !port.isEmpty else { return "“\(text)” has brackets. Write \(host)." }
        return "“\(text)” contains a port. Write \(host), and set http.port (--port) to \(port)."
    }

    /// The host, and the port behind it if there is one, of a text such as `[::1]`, `[::1]:80` or `127.0.0.1:80`.
    private static func parts(_ text: String) -> (host: String, port: String) {
        guard let colon = text.lastIndex(of: ":"), case let port = text[text.index(after: colon)...],
            !port.isEmpty, port.allSatisfy(\.isNumber), text[..<colon].last != ":",
            text.hasPrefix("[") == (text[..<colon].last == "]")
        else { return (unbracketed(text[...]), "") }
        return (unbracketed(text[..<colon]), String(port))
    }

    private static func unbracketed(_ text: Substring) -> String {
        text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : String(text)
    }

    /// An IPv6 address may name an interface (RFC 4007 §11), as in `fe80::1%eth0`.
    private static func isAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        let isZone = parts.count == 1 || parts[0].contains(":") && AllowedHosts.isHostName(parts[1])
        return isZone && (try? SocketAddress(ipAddress: String(parts[0]), port: 0)) != nil
    }
}
