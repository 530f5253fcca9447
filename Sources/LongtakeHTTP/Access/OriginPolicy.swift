import HTTPTypes
import NIOHTTP1

/// What web pages may do with the daemon: the Fetch standard's CORS protocol, and, where nobody is asked for a key, a look at `Host` and
/// `Origin`, since then any page in a browser on the machine could otherwise drive it.
struct OriginPolicy: Sendable {
    private let isGuarded: Bool
    private let hosts: AllowedHosts
    private let origins: Set<String>
    private let allowsAll: Bool

    init(_ configuration: AccessConfiguration) {
        isGuarded = configuration.mode == .none
        hosts = AllowedHosts(configuration.hosts)
        origins = Set(configuration.corsOrigins.map { $0.lowercased() })
        allowsAll = origins.contains("*")
    }

    /// What a request says about where it comes from.
    struct Sender: Sendable {
        /// `Host`; all of them, where there are several.
        var host: [String]
        var origin: String?
        var site: String?
        var mode: String?
        /// Whether the request is for `/healthz` or `/readyz`. A load balancer probes these by address and sends a `Host` of its own.
        var isProbe: Bool

        init(_ head: HTTPRequestHead) {
            isProbe = ["/healthz", "/readyz"].contains(head.uri.prefix { $0 != "?" })
            host = head.headers["host"]
            origin = head.headers.first(name: "origin")
            site = head.headers.first(name: "sec-fetch-site")
            mode = head.headers.first(name: "sec-fetch-mode")
        }
    }

    /// Why a request is refused before anybody looks at what it wants; `nil` where it is not.
    ///
    /// A page that had its own name lead to this machine sends that name as `Host`; so a name has to be known. Addresses cannot be made to lead
    /// elsewhere. A page of another origin says so in `Origin`, or, where a browser leaves that out, in `Sec-Fetch-Site` (W3C Fetch
    /// Metadata); a link that somebody follows is let through.
    func refusal(of sender: Sender) -> Problem? {
        guard isGuarded else { return nil }
        if let host = sender.host.first, !sender.isProbe, !hosts.contains(host) { return .unknownHost }
        if let origin = sender.origin {
            return isSame(origin, sender.host.first) || allows(origin) ? nil : .foreignOrigin
        }
        let isForeign = sender.site == "cross-site" || sender.site == "same-site"
        return isForeign && sender.mode != "navigate" ? .foreignOrigin : nil
    }

    /// The headers by which a page of that origin may read the answer; empty where it may not.
    func headers(for origin: String?) -> HTTPFields {
        guard !origins.isEmpty else { return [:] }
        var fields: HTTPFields = allowsAll ? [:] : [.vary: "Origin"]
        guard let origin, allows(origin) else { return fields }
        fields[.accessControlAllowOrigin] = allowsAll ? "*" : origin
        fields[.accessControlExposeHeaders] = Self.exposed
        return fields
    }

    /// The answer to a question whether a request would be allowed (Fetch §4.8); `nil` where that is none, or the origin is not allowed.
    func preflight(_ head: HTTPRequestHead) -> HTTPFields? {
        guard head.method == .OPTIONS, head.headers.contains(name: "access-control-request-method"),
            let origin = head.headers.first(name: "origin"), allows(origin)
        else { return nil }
        var fields = headers(for: origin)
        fields[.accessControlExposeHeaders] = nil
        fields[.accessControlAllowMethods] = "GET, POST, DELETE"
        fields[.accessControlAllowHeaders] =
            "Accept, Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer"
        fields[.accessControlMaxAge] = "600"
        return fields
    }

    private static let exposed =
        "ETag, Idempotent-Replayed, Location, Preference-Applied, Retry-After, X-Request-Id"

    private func allows(_ origin: String) -> Bool { allowsAll || origins.contains(origin.lowercased()) }

    /// Whether a page from there was given out by this daemon. A proxy in front may speak TLS, so only host and port are compared.
    private func isSame(_ origin: String, _ host: String?) -> Bool {
        guard let host, let scheme = ["http://", "https://"].first(where: { origin.lowercased().hasPrefix($0) }) else {
            return false
        }
        return origin.dropFirst(scheme.count).lowercased() == host.lowercased()
    }
}

extension Problem {
    static let unknownHost = Problem(
        kind: "unknown-host", status: .misdirectedRequest, title: "Unknown host",
        detail:
            "The daemon does not go by the name in “Host”. Name it in the setting http.allowed_hosts if it does, so that no other web site can lead its visitors here."
    )
    static let foreignOrigin = Problem(
        kind: "foreign-origin", status: .forbidden, title: "Foreign origin",
        detail:
            "A page of another web site sent this. Name its origin in the setting http.cors_origins if it may, or have the daemon ask for keys."
    )
}
