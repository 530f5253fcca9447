import NIOCore
import NIOHTTP1

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The proxies whose `X-Forwarded-*` and `X-Request-Id` headers the daemon trusts:
/// `http.trusted_proxies`. Every client can send such headers, so the daemon ignores all others.
public struct TrustedProxies: Hashable, Sendable {
    private let networks: [IPNetwork]
    /// Whether every peer on a Unix domain socket is trusted.
    private let trustsUnixSockets: Bool

    public static let none = TrustedProxies([], trustsUnixSockets: false)

    private init(_ networks: [IPNetwork], trustsUnixSockets: Bool) {
        self.networks = networks
        self.trustsUnixSockets = trustsUnixSockets
    }

    /// - Parameter items: addresses, networks such as `10.0.0.0/8`, and the word `unix` for peers
    ///   on a Unix domain socket.
    /// - Returns: `nil` if any item is something else.
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

/// The client of a request. If the connection's peer is a trusted proxy, the proxy's headers
/// describe the client.
struct Forwarding: Sendable {
    /// The host that the client requested from the proxy (`X-Forwarded-Host`); `nil` if no trusted
    /// proxy sends it.
    let host: String?
    /// `http` or `https` (`X-Forwarded-Proto`); `nil` if no trusted proxy sends it.
    let scheme: String?
    /// The proxy's id of the request: 1 to 64 characters of `[A-Za-z0-9._-]`. `nil` if no trusted
    /// proxy sends a valid one.
    let requestID: String?
    private let peer: SocketAddress?
    /// `X-Forwarded-For` with the nearest hop last; empty if the peer is not trusted.
    private let hops: [String]
    private let proxies: TrustedProxies

    init(peer: SocketAddress?, headers: HTTPHeaders, trusting proxies: TrustedProxies) {
        self.peer = peer
        self.proxies = proxies
        guard proxies.contains(peer) else {
            (host, scheme, requestID, hops) = (nil, nil, nil, [])
            return
        }
        // A proxy appends to the list that it received, so the trusted proxy wrote the last item.
        host = Self.items("x-forwarded-host", headers).last
        scheme = Self.items("x-forwarded-proto", headers).last.map { $0.lowercased() }
            .flatMap { ["http", "https"].contains($0) ? $0 : nil }
        requestID = headers.first(name: "x-request-id").flatMap { Self.isRequestID($0) ? $0 : nil }
        hops = Self.items("x-forwarded-for", headers)
    }

    /// The address of the client: the nearest hop that is not a trusted proxy. `unix` for a peer on
    /// a Unix domain socket.
    var client: String {
        var client = peer.flatMap { IPAddress($0) }.map(\.description) ?? (peer == nil ? "unknown" : "unix")
        // If a hop cannot be parsed, stop: a client can forge all entries to its left.
        for hop in hops.reversed() {
            guard let address = Self.address(hop) else { break }
            client = address.description
            guard proxies.contains(address) else { break }
        }
        return client
    }

    private static func items(_ name: String, _ headers: HTTPHeaders) -> [String] {
        // Split bytes, not characters: some characters combine with a following comma (Unicode UAX
        // #29, GB9b). With them a client could hide its own hop.
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

/// An IPv4 or IPv6 address. An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) equals the IPv4
/// address.
struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes in network byte order.
    let bytes: [UInt8]
    let description: String

    /// - Parameter text: an address without a port; an IPv6 address has no brackets.
    init?(_ text: String) {
        if let four = Self.bytes(of: text, AF_INET, count: 4) {
            bytes = four
            description = text
        } else if let all = Self.bytes(of: text, AF_INET6, count: 16) {
            let isMapped = all.starts(with: [UInt8](repeating: 0, count: 10) + [0xff, 0xff])
            bytes = isMapped ? Array(all.suffix(4)) : all
            description = isMapped ? bytes.map(String.init).joined(separator: ".") : text.lowercased()
        } else {
            return nil
        }
    }

    /// - Returns: `nil` for the address of a Unix domain socket.
    init?(_ address: SocketAddress) {
        guard let text = address.ipAddress else { return nil }
        self.init(text)
    }

    private static func bytes(of text: String, _ family: CInt, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return inet_pton(family, text, &bytes) == 1 ? bytes : nil
    }
}

/// All addresses with the same leading bits, such as `10.0.0.0/8` (RFC 4632 §3.1). A single address
/// is also a network.
struct IPNetwork: Hashable, Sendable {
    private let prefix: [UInt8]
    /// The number of leading bits of ``prefix`` that must match.
    private let bits: Int

    init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { return nil }
        prefix = address.bytes
        guard parts.count == 2 else {
            bits = prefix.count * 8
            return
        }
        guard let bits = Int(digits: String(parts[1])), bits <= prefix.count * 8 else { return nil }
        self.bits = bits
    }

    func contains(_ address: IPAddress) -> Bool {
        guard address.bytes.count == prefix.count else { return false }
        let whole = bits / 8
        guard address.bytes.prefix(whole) == prefix.prefix(whole) else { return false }
        guard bits % 8 > 0 else { return true }
        let mask = UInt8.max << UInt8(8 - bits % 8)
        return address.bytes[whole] & mask == prefix[whole] & mask
    }
}
