import FoundationEssentials

/// Which clients the daemon accepts: the setting `auth.mode`.
public enum AccessMode: String, Hashable, Sendable, CaseIterable {
    /// Every client that reaches the daemon. In this mode the daemon listens on loopback only.
    case none
    /// Clients with an API key.
    case keys
}

/// Which clients the daemon accepts, from which hosts and origins, and how often.
public struct AccessConfiguration: Sendable {
    public var mode: AccessMode
    /// May change while the daemon runs.
    public var keys: KeyRing
    /// May change while the daemon runs.
    public var tickets: TicketSigner
    /// The rate limit of each key; 0 for no limit.
    public var requestsPerSecondPerKey: Int
    /// The entries of ``AllowedHosts``. Only a daemon without keys checks `Host`.
    public var hosts: [String]
    /// The address at which clients reach the daemon; `nil` if links are relative.
    public var publicURL: PublicURL?
    public var trustedProxies: TrustedProxies
    /// The origins whose pages may read responses, such as `https://app.example.org`; `*` for all.
    public var corsOrigins: [String]

    public init(
        mode: AccessMode = .none, keys: KeyRing = KeyRing(), tickets: TicketSigner = TicketSigner(),
        requestsPerSecondPerKey: Int = 0, hosts: [String] = [], publicURL: PublicURL? = nil,
        trustedProxies: TrustedProxies = .none, corsOrigins: [String] = []
    ) {
        self.mode = mode
        self.keys = keys
        self.tickets = tickets
        self.requestsPerSecondPerKey = requestsPerSecondPerKey
        self.hosts = hosts
        self.publicURL = publicURL
        self.trustedProxies = trustedProxies
        self.corsOrigins = corsOrigins
    }
}

/// The address at which clients reach the daemon: scheme, host, an optional port, and the path
/// prefix under which a proxy publishes it.
public struct PublicURL: Hashable, Sendable, CustomStringConvertible {
    /// Scheme, host and port as browsers write them in `Origin` (RFC 6454 §6.2): without the
    /// default port of the scheme.
    let origin: String
    /// The host in lower case, without a port; an IPv6 address has no brackets.
    let host: String
    /// The whole address without a slash at its end. Links are this text followed by a path.
    public let description: String

    /// The characters that need no escaping where the address is shown: in HTML, in JSON and in a
    /// shell command.
    static let characters = Set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%/:[]".utf8)

    /// - Returns: `nil` unless the text is an `http` or `https` address without user, query and
    ///   fragment that consists of ``characters`` only.
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
