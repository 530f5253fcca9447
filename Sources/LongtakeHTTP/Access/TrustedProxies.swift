import NIOCore
import NIOHTTP1

/// The proxies whose `X-Forwarded-*` headers and `X-Request-Id` count: `http.trusted_proxies`. Anybody can send such headers.
public struct TrustedProxies: Hashable, Sendable {
    private let networks: [IPNetwork]
    /// Whether every peer on a Unix domain socket is one.
    private let trustsUnixSockets: Bool

    public static let none = TrustedProxies([], trustsUnixSockets: false)

    private init(_ networks: [IPNetwork], trustsUnixSockets: Bool) {
        self.networks = networks
        self.trustsUnixSockets = trustsUnixSockets
    }

    /// - Parameter items: addresses, networks such as `10.0.0.0/8`, and the word `unix` for peers on a Unix domain socket.
    /// - Returns: `nil` if an item is none of these.
    public init?(_ items: [String]) {
        var networks: [IPNetwork] = []
        for item in items where item != Self.unix {
            guard let network = IPNetwork(item) else { return nil }
            networks.append(network)
        }
        self.init(networks, trustsUnixSockets: items.contains(Self.unix))
    }

    private static let unix = "unix"

    func contains(_ peer: SocketAddress?) -> Bool {
        guard let peer, !networks.isEmpty || trustsUnixSockets else { return false }
        return IPAddress(peer).map(contains) ?? trustsUnixSockets
    }

    func contains(_ address: IPAddress) -> Bool { networks.contains { $0.contains(address) } }
}

/// What is known about the client behind a connection's peer, which may be a proxy.
struct Forwarding: Sendable {
    /// The host that the client asked the proxy for (`X-Forwarded-Host`); `nil` if no trusted proxy names one.
    let host: String?
    /// `http` or `https` (`X-Forwarded-Proto`); `nil` if no trusted proxy says so.
    let scheme: String?
    /// The id that the proxy gave the request, 1 to 64 characters of `[A-Za-z0-9._-]`; `nil` if no trusted proxy sends such an id.
    let requestID: String?
    private let peer: SocketAddress?
    /// `X-Forwarded-For`, the nearest hop last; empty if the peer is not trusted.
    private let hops: [String]
    private let proxies: TrustedProxies

    init(peer: SocketAddress?, headers: HTTPHeaders, trusting proxies: TrustedProxies) {
        self.peer = peer
        self.proxies = proxies
        guard proxies.contains(peer) else {
            (host, scheme, requestID, hops) = (nil, nil, nil, [])
            return
        }
        // A proxy appends to a list that it received, so the last item is the one that the trusted proxy wrote.
        host = Self.items("x-forwarded-host", headers).last
        scheme = Self.items("x-forwarded-proto", headers).last.map { $0.lowercased() }
            .flatMap { ["http", "https"].contains($0) ? $0 : nil }
        requestID = headers.first(name: "x-request-id").flatMap { Self.isRequestID($0) ? $0 : nil }
        hops = Self.items("x-forwarded-for", headers)
    }

    /// The address of the client: the nearest hop that is no trusted proxy; `unix` for a peer on a Unix domain socket.
    var client: String {
        var client = peer.flatMap { IPAddress($0) }.map(\.description) ?? (peer == nil ? "unknown" : "unix")
        // If a hop cannot be parsed, stop: any client can forge the entries to its left.
        for hop in hops.reversed() {
            guard let address = Self.address(hop) else { break }
            client = address.description
            guard proxies.contains(address) else { break }
        }
        return client
    }

    private static func items(_ name: String, _ headers: HTTPHeaders) -> [String] {
        // On bytes: some characters join a comma that follows them (Unicode UAX #29, GB9b), and a client could hide its own hop so.
        headers[name].flatMap { $0.utf8.split(separator: UInt8(ascii: ",")) }
            .map { String(decoding: $0, as: UTF8.self).trimmed }.filter { !$0.isEmpty }
    }

    /// Some proxies append a port. They then put an IPv6 address in brackets.
    private static func address(_ hop: String) -> IPAddress? {
        if let address = IPAddress(hop) { return address }
        if hop.hasPrefix("["), let end = hop.firstIndex(of: "]") { return IPAddress(String(hop[..<end].dropFirst())) }
        return hop.lastIndex(of: ":").flatMap { IPAddress(String(hop[..<$0])) }
    }

    private static func isRequestID(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".")
                    || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
            }
    }
}
