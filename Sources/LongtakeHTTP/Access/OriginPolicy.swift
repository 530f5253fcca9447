import HTTPTypes
import NIOCore
import NIOHTTP1

/// What web pages may do with the daemon: the Fetch standard's CORS protocol, and, where nobody is asked for a key, a look at `Host` and
/// `Origin`, since then any page in a browser on the machine could otherwise drive it.
struct OriginPolicy: Sendable {
    private let isGuarded: Bool
    private let hosts: Set<String>
    private let origins: Set<String>
    private let allowsAll: Bool

    init(_ configuration: AccessConfiguration) {
        isGuarded = configuration.mode == .none
        hosts = Set(configuration.hosts.map { $0.lowercased() } + ["localhost"])
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

        init(_ head: HTTPRequestHead) {
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
        if let host = sender.host.first, !isKnown(host) { return .unknownHost }
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

    private func isKnown(_ host: String) -> Bool {
        guard let name = Self.name(in: host) else { return false }
        return hosts.contains(name) || (try? SocketAddress(ipAddress: name, port: 0)) != nil
    }

    /// Without the port, and an IPv6 address without its brackets; `nil` for what is no host (RFC 3986 §3.2.2).
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
