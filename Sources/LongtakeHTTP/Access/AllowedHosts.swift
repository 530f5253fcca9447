import NIOCore

/// The host names that the daemon answers to without keys: `localhost`, every IP address, and those in `http.allowed_hosts`.
///
/// An entry `*.example.org` stands for every name below `example.org`, and not for `example.org` itself. The entry `*` is valid only with
/// keys. The daemon then does not check `Host` at all, so this type ignores that entry: it never allows every name.
public struct AllowedHosts: Hashable, Sendable {
    private let names: Set<String>
    /// With the dot that they begin with, such as `.example.org`.
    private let suffixes: [String]

    /// - Parameter entries: those for which ``isEntry(_:)`` holds, and the addresses that the daemon listens on.
    public init(_ entries: [String]) {
        let entries = entries.map { $0.lowercased() }
        names = Set(entries.filter { !$0.hasPrefix("*") } + ["localhost"])
        suffixes = entries.filter { $0.hasPrefix("*.") }.map { String($0.dropFirst()) }
    }

    /// Whether `http.allowed_hosts` accepts this entry: a host name without a port, one behind `*.`, or `*`.
    public static func isEntry(_ entry: String) -> Bool {
        entry == "*" || isHostName(entry.hasPrefix("*.") ? entry.dropFirst(2) : entry[...])
    }

    /// Whether this is a host name (RFC 1123 §2.1; many networks also use `_`), of at most 253 bytes and without a dot at its end.
    public static func isHostName(_ text: some StringProtocol) -> Bool {
        text.utf8.count <= 253
            && text.utf8.split(separator: 0x2e, omittingEmptySubsequences: false).allSatisfy { label in
                (1...63).contains(label.count) && label.first != 0x2d && label.last != 0x2d
                    && label.allSatisfy(isHostByte)
            }
    }

    /// A letter, a digit, `-` or `_`.
    private static func isHostByte(_ byte: UInt8) -> Bool {
        (0x61...0x7a).contains(byte | 0x20) || (0x30...0x39).contains(byte) || byte == 0x2d || byte == 0x5f
    }

    /// Whether the value of a `Host` header names this daemon, with or without a port.
    func contains(_ host: String) -> Bool {
        guard let name = Self.name(in: host) else { return false }
        return names.contains(name) || (try? SocketAddress(ipAddress: name, port: 0)) != nil
            || suffixes.contains { name.hasSuffix($0) && Self.isHostName(name.dropLast($0.count)) }
    }

    /// The name without its port, and an IPv6 address without its brackets; `nil` if the text is not a host (RFC 3986 §3.2.2).
    private static func name(in host: String) -> String? {
        let host = host.lowercased()
        let end = host.hasPrefix("[") ? host.firstIndex(of: "]").map(host.index(after:)) : host.firstIndex(of: ":")
        let name = host[..<(end ?? host.endIndex)]
        let port = host[(end ?? host.endIndex)...]
        guard port.isEmpty || port.hasPrefix(":") && port.dropFirst().utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        guard name.hasPrefix("[") else { return String(name) }
        return name.hasSuffix("]") ? String(name.dropFirst().dropLast()) : nil
    }
}
