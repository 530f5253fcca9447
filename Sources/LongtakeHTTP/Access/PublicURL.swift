import FoundationEssentials

/// The address at which clients reach the daemon: a scheme, a host, perhaps a port, and the prefix under which a proxy offers it.
public struct PublicURL: Hashable, Sendable, CustomStringConvertible {
    /// Scheme, host and port as browsers write them in `Origin` (RFC 6454 §6.2), without the port that the scheme implies.
    let origin: String
    /// The host without port, an IPv6 address without its brackets; in lower case.
    let host: String
    /// The whole address without a slash at its end: what stands before the path in each link.
    public let description: String

    /// The characters that need no escape where the address is shown: in HTML, in JSON and in a shell's command.
    static let characters = Set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%/:[]".utf8)

    /// - Returns: `nil` unless the text is an `http` or `https` address without user, query and fragment, of ``characters`` only.
    public init?(_ text: String) {
        guard text.utf8.allSatisfy(Self.characters.contains),
            let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(),
            let host = parts.host?.lowercased(), !host.isEmpty, ["http", "https"].contains(scheme),
            parts.user == nil, parts.password == nil, parts.query == nil, parts.fragment == nil,
            parts.port.map((1...65_535).contains) ?? true
        else { return nil }
        let isDefault = parts.port == nil || parts.port == (scheme == "http" ? 80 : 443)
        origin = "\(scheme)://\(host)" + (isDefault ? "" : ":\(parts.port ?? 0)")
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        var path = parts.percentEncodedPath[...]
        while path.last == "/" { path = path.dropLast() }
        description = origin + path
    }
}
