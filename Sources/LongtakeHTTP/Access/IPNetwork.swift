import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// An address of IPv4 or IPv6. An IPv4 address that is mapped into IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address.
struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// Four or sixteen, in network byte order.
    let bytes: [UInt8]
    let description: String

    /// - Parameter text: the address alone, an IPv6 address without brackets.
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

/// The addresses that begin with the same bits, such as `10.0.0.0/8` (RFC 4632 §3.1); a single address is a network of its own.
struct IPNetwork: Hashable, Sendable {
    private let prefix: [UInt8]
    /// How many bits of ``prefix`` count.
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
