import HTTPTypes
import NIOHTTP1

/// What web pages may do with the daemon: the Fetch standard's CORS protocol, and, where nobody is asked for a key, a look at `Host` and
/// `Origin`, since then any page in a browser on the machine could otherwise drive it.
struct OriginPolicy: Sendable {
    private let isGuarded: Bool
    private let hosts: AllowedHosts
    private let publicURL: PublicURL?
    private let origins: Set<String>
    private let allowsAll: Bool

    init(_ configuration: AccessConfiguration) {
        isGuarded = configuration.mode == .none
        hosts = AllowedHosts(configuration.hosts + [configuration.publicURL?.host].compactMap(\.self))
        publicURL = configuration.publicURL
        origins = Set(configuration.corsOrigins.map { $0.lowercased() })
        allowsAll = origins.contains("*")
    }

    /// What a request says about where it comes from.
    struct Sender: Sendable {
        /// The host that the client asked for: `X-Forwarded-Host` of a trusted proxy, otherwise `Host`; `nil` without either.
        var host: String?
        /// `Host` as it arrived.
        var ownHost: String?
        var origin: String?
        var site: String?
        var mode: String?
        /// Whether the request is for `/healthz` or `/readyz`. A load balancer probes these by address and sends a `Host` of its own.
        var isProbe: Bool

        init(_ head: HTTPRequestHead, _ forwarding: Forwarding) {
            isProbe = ["/healthz", "/readyz"].contains(head.uri.prefix { $0 != "?" })
            ownHost = head.headers.first(name: "host")
            host = forwarding.host ?? ownHost
            origin = head.headers.first(name: "origin")
            site = head.headers.first(name: "sec-fetch-site")
            mode = head.headers.first(name: "sec-fetch-mode")
        }
    }

    /// Why a request is refused before a route sees it; `nil` if it is not.
    ///
    /// A page can make its own name resolve to this machine (DNS rebinding). The browser sends that name as `Host`, so the host has to be
    /// known. Addresses cannot be redirected that way. A page of another origin is recognised by `Origin` or, if the browser leaves that
    /// out, by `Sec-Fetch-Site` (W3C Fetch Metadata). A link that somebody follows is allowed.
    func refusal(of sender: Sender) -> Problem? {
        guard isGuarded else { return nil }
        // Both names have to be known. A browser on this machine may be a trusted peer, and a page can set any header but `Host`.
        let names = [sender.host, sender.ownHost].compactMap(\.self)
        guard sender.isProbe || names.allSatisfy(hosts.contains) else { return .unknownHost }
        if let origin = sender.origin {
            let isOwn =
                origin.lowercased() == publicURL?.origin || isSame(origin, sender.host)
                || isSame(origin, sender.ownHost)
            return isOwn || allows(origin) ? nil : .foreignOrigin
        }
        let isForeign = sender.site == "cross-site" || sender.site == "same-site"
        return isForeign && sender.mode != "navigate" ? .foreignOrigin : nil
    }

    /// Adds the headers by which a page of `origin` may read the response (Fetch §3.3.3).
    ///
    /// Every response gets them here and nowhere else, because a browser refuses a response in which one of them occurs twice.
    /// - Parameter origin: of the page that sent the request; `nil` if no page did.
    func dress(_ headers: inout HTTPFields, for origin: String?) {
        guard !origins.isEmpty else { return }
        if !allowsAll { Self.addVary("Origin", to: &headers) }
        guard let origin, allows(origin) else { return }
        headers[.accessControlAllowOrigin] = allowsAll ? "*" : origin
        headers[.accessControlExposeHeaders] = Self.exposed
    }

    /// Adds `name` to the `Vary` list unless the list already has it (RFC 9110 §12.5.5).
    private static func addVary(_ name: String, to headers: inout HTTPFields) {
        let names = headers[values: .vary].flatMap { $0.split(separator: ",") }.map(\.trimmed)
        guard !names.contains(where: { $0.lowercased() == name.lowercased() }) else { return }
        headers[.vary] = (names + [name]).joined(separator: ", ")
    }

    /// The headers that answer a preflight request (Fetch §4.8), without those that ``dress(_:for:)`` adds to every response.
    /// - Returns: `nil` if the request is no preflight, or if its origin is not allowed.
    func preflight(_ head: HTTPRequestHead) -> HTTPFields? {
        guard head.method == .OPTIONS, head.headers.contains(name: "access-control-request-method"),
            let origin = head.headers.first(name: "origin"), allows(origin)
        else { return nil }
        return [
            .accessControlAllowMethods: "GET, POST, DELETE",
            .accessControlAllowHeaders: Self.accepted,
            // Ten minutes: a change of `http.cors_origins` reaches pages that stay open after that.
            .accessControlMaxAge: "600",
        ]
    }

    /// Request headers that a page may send: those that the API reads, and those that common tracing and HTTP libraries add by themselves
    /// (W3C Trace Context, W3C Baggage, Sentry). The daemon ignores the latter, but without them here the browser refuses the request.
    private static let accepted = [
        "Accept", "Authorization", "Baggage", "Cache-Control", "Content-Type", "Idempotency-Key", "If-None-Match",
        "Last-Event-ID", "Prefer", "Sentry-Trace", "Traceparent", "Tracestate", "X-Request-Id", "X-Requested-With",
    ].joined(separator: ", ")

    /// Response headers that a page may read beyond those that Fetch always allows.
    private static let exposed = [
        "ETag", "Idempotent-Replayed", "Link", "Location", "Preference-Applied", "Retry-After", "X-Request-Id",
    ].joined(separator: ", ")

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
