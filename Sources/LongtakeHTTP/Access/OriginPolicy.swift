import HTTPTypes
import LongtakeAPI
import NIOCore
import NIOHTTP1

/// What web pages may do with the daemon: the CORS protocol of the Fetch standard.
///
/// If the daemon requires no keys, it also checks `Host` and `Origin`. Otherwise any page in a
/// browser on the same machine could send it commands.
struct OriginPolicy: Sendable {
    private let requiresKnownOrigin: Bool
    private let hosts: AllowedHosts
    private let publicURL: PublicURL?
    private let origins: Set<String>
    private let allowsAll: Bool

    init(_ configuration: AccessConfiguration) {
        requiresKnownOrigin = configuration.mode == .none
        hosts = AllowedHosts(configuration.hosts + [configuration.publicURL?.host].compactMap(\.self))
        publicURL = configuration.publicURL
        origins = Set(configuration.corsOrigins.map { $0.lowercased() })
        allowsAll = origins.contains("*")
    }

    /// The headers of a request that tell which page sent it.
    struct Source: Sendable {
        /// The host that the client requested: `X-Forwarded-Host` of a trusted proxy, otherwise
        /// `Host`.
        var host: String?
        /// `Host` as it arrived.
        var receivedHost: String?
        var origin: String?
        var site: String?
        var mode: String?
        /// Whether the request is for `/healthz` or `/readyz`. A load balancer probes these by
        /// address and sends its own `Host`.
        var isProbe: Bool

        init(_ head: HTTPRequestHead, _ forwarding: Forwarding) {
            isProbe = ["/healthz", "/readyz"].contains(head.uri.prefix { $0 != "?" })
            receivedHost = head.headers.first(name: "host")
            host = forwarding.host ?? receivedHost
            origin = head.headers.first(name: "origin")
            site = head.headers.first(name: "sec-fetch-site")
            mode = head.headers.first(name: "sec-fetch-mode")
        }
    }

    /// Why a request is refused before a route handles it; `nil` if it is not refused.
    ///
    /// A page can make its own name resolve to this machine (DNS rebinding). The browser then sends
    /// that name as `Host`, so the daemon only accepts known names. IP addresses cannot be rebound.
    /// A page of another origin is recognised by `Origin` or, if the browser omits it, by
    /// `Sec-Fetch-Site` (W3C Fetch Metadata). Following a link is allowed.
    func refusal(of source: Source) -> Problem? {
        guard requiresKnownOrigin else { return nil }
        // Both names must be known: a page can set any header but `Host`, and a browser on this
        // machine may be a trusted peer.
        let names = [source.host, source.receivedHost].compactMap(\.self)
        guard source.isProbe || names.allSatisfy(hosts.contains) else { return .unknreceivedHost }
        if let origin = source.origin {
            let isSameOrigin =
                origin.lowercased() == publicURL?.origin || isSame(origin, source.host)
                || isSame(origin, source.receivedHost)
            return isSameOrigin || allows(origin) ? nil : .foreignOrigin
        }
        let isForeign = source.site == "cross-site" || source.site == "same-site"
        return isForeign && source.mode != "navigate" ? .foreignOrigin : nil
    }

    /// Adds the CORS headers that let a page of `origin` read the response (Fetch §3.3.3).
    ///
    /// This is the only place that adds them. A browser refuses a response in which one occurs
    /// twice.
    /// - Parameter origin: the value of the request's `Origin` header.
    func addHeaders(to headers: inout HTTPFields, for origin: String?) {
        guard !origins.isEmpty else { return }
        if !allowsAll { Self.addVary("Origin", to: &headers) }
        guard let origin, allows(origin) else { return }
        headers[.accessControlAllowOrigin] = allowsAll ? "*" : origin
        headers[.accessControlExposeHeaders] = Self.exposed
    }

    /// Adds `name` to the `Vary` list if the list does not contain it yet (RFC 9110 §12.5.5).
    private static func addVary(_ name: String, to headers: inout HTTPFields) {
        let names = headers[values: .vary].flatMap { $0.split(separator: ",") }.map(\.trimmed)
        guard !names.contains(where: { $0.lowercased() == name.lowercased() }) else { return }
        headers[.vary] = (names + [name]).joined(separator: ", ")
    }

    /// The headers of the response to a preflight request (Fetch §4.8), without those that
    /// ``addHeaders(to:for:)`` adds to every response.
    /// - Returns: `nil` if the request is not a preflight, or if its origin is not allowed.
    func preflight(_ head: HTTPRequestHead) -> HTTPFields? {
        guard head.method == .OPTIONS, head.headers.contains(name: "access-control-request-method"),
            let origin = head.headers.first(name: "origin"), allows(origin)
        else { return nil }
        return [
            .accessControlAllowMethods: "GET, HEAD, POST, PATCH, DELETE",
            .accessControlAllowHeaders: Self.accepted,
            // 10 minutes: a change of `http.cors_origins` reaches open pages after that time.
            .accessControlMaxAge: "600",
        ]
    }

    /// The request headers that a page may send: those that the API reads, and those that common
    /// tracing and HTTP libraries add (W3C Trace Context, W3C Baggage, Sentry). The daemon ignores
    /// the latter. If they were not listed, the browser would refuse the request.
    private static let accepted = [
        "Accept", "Authorization", "Baggage", "Cache-Control", "Content-Disposition", "Content-Type",
        "Idempotency-Key", "If-None-Match", "If-Range", "Last-Event-ID", "Prefer", "Range", "Repr-Digest",
        "Sentry-Trace", "Traceparent", "Tracestate", "Upload-Complete", "Upload-Draft-Interop-Version",
        "Upload-Length", "Upload-Offset", "X-Request-Id", "X-Requested-With",
    ].joined(separator: ", ")

    /// The response headers that a page may read in addition to those that Fetch always allows.
    private static let exposed = [
        "Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Idempotent-Replayed", "Link", "Location",
        "Preference-Applied", "Repr-Digest", "Retry-After", "Upload-Complete", "Upload-Limit", "Upload-Offset",
        "X-Request-Id",
    ].joined(separator: ", ")

    private func allows(_ origin: String) -> Bool { allowsAll || origins.contains(origin.lowercased()) }

    /// Whether the daemon itself served the page. A proxy may terminate TLS, so only host and port
    /// count.
    private func isSame(_ origin: String, _ host: String?) -> Bool {
        guard let host, let scheme = ["http://", "https://"].first(where: { origin.lowercased().hasPrefix($0) }) else {
            return false
        }
        return origin.dropFirst(scheme.count).lowercased() == host.lowercased()
    }
}

/// The host names that a daemon without keys accepts: `localhost`, every IP address, and the
/// entries of `http.allowed_hosts`.
///
/// The entry `*.example.org` allows every name below `example.org`, but not `example.org` itself.
/// The entry `*` is valid only if the daemon requires keys. The daemon then does not check `Host`,
/// so this type ignores that entry and never allows every name.
public struct AllowedHosts: Hashable, Sendable {
    private let names: Set<String>
    /// They begin with a dot, such as `.example.org`.
    private let suffixes: [String]

    /// - Parameter entries: entries that satisfy ``isEntry(_:)``, and the addresses that the daemon
    ///   listens on.
    public init(_ entries: [String]) {
        let entries = entries.map { $0.lowercased() }
        names = Set(entries.filter { !$0.hasPrefix("*") } + ["localhost"])
        suffixes = entries.filter { $0.hasPrefix("*.") }.map { String($0.dropFirst()) }
    }

    /// Whether `http.allowed_hosts` accepts this entry: a host name without a port, `*.` and a
    /// host name, or `*`.
    public static func isEntry(_ entry: String) -> Bool {
        entry == "*" || isHostName(entry.hasPrefix("*.") ? entry.dropFirst(2) : entry[...])
    }

    /// Whether the text is a host name (RFC 1123 §2.1) of at most 253 bytes without a dot at its
    /// end. The underscore is allowed, because many networks use it.
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

    /// Whether the value of a `Host` header, with or without a port, names this daemon.
    func contains(_ host: String) -> Bool {
        guard let name = Self.name(in: host) else { return false }
        return names.contains(name) || (try? SocketAddress(ipAddress: name, port: 0)) != nil
            || suffixes.contains { name.hasSuffix($0) && Self.isHostName(name.dropLast($0.count)) }
    }

    /// The name without its port; an IPv6 address without its brackets. `nil` if the text is not a
    /// host (RFC 3986 §3.2.2).
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

/// The headers that tell a browser to treat each response as the type that it declares, to show it
/// in no frame, to give it to no other site, and to send no referrer, because a URL may contain a
/// ticket.
enum SecurityHeaders {
    /// Adds the headers that the response does not have yet.
    static func add(to headers: inout HTTPFields) {
        for field in all where headers[field.name] == nil { headers.append(field) }
    }

    private static let all: HTTPFields = [
        .xContentTypeOptions: "nosniff",
        .referrerPolicy: "no-referrer",
        .crossOriginResourcePolicy: "same-origin",
        .contentSecurityPolicy: "default-src 'none'; frame-ancestors 'none'",
    ]
}

extension Problem {
    static let unknreceivedHost = Problem(
        type: .unknownHost, status: .misdirectedRequest, title: "Unknown host",
        detail:
            "The name in “Host” is not one of this daemon's names. If it should be, add it to the setting http.allowed_hosts. The check protects the daemon from other web sites."
    )
    static let foreignOrigin = Problem(
        type: .foreignOrigin, status: .forbidden, title: "Foreign origin",
        detail:
            "A page of another web site sent this request. To allow it, add its origin to the setting http.cors_origins, or make the daemon require API keys."
    )
}
