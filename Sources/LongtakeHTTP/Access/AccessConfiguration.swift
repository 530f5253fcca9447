/// Who is let in.
public enum AccessMode: String, Hashable, Sendable, CaseIterable {
    /// Everybody who reaches the daemon, which is why it then listens on loopback only.
    case none
    /// Whoever has an API key.
    case keys
}

/// Who is let in, from where, and how often.
public struct AccessConfiguration: Sendable {
    public var mode: AccessMode
    /// May change while the daemon runs.
    public var keys: KeyRing
    /// May change while the daemon runs.
    public var tickets: TicketSigner
    /// For each key; 0 for no limit.
    public var requestsPerSecondPerKey: Int
    /// The entries of ``AllowedHosts``. Only a daemon without keys checks `Host`.
    public var hosts: [String]
    /// The address at which clients reach the daemon; `nil` if links stay relative.
    public var publicURL: PublicURL?
    public var trustedProxies: TrustedProxies
    /// Origins whose pages may read answers, such as `https://app.example.org`; `*` for all.
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
