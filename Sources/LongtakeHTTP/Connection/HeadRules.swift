import NIOHTTP1

/// What is refused in a request's head though the parser lets it through (RFC 9112, whose sections are named below).
enum HeadRules {
    /// What is wrong; `nil` where nothing is.
    static func problem(with head: HTTPRequestHead) -> Problem? {
        let hosts = head.headers["host"]
        // Exactly one (§3.2): with two, what stands before us and we could each believe another.
        guard hosts.count <= 1, hosts.count == 1 || head.version == .http1_0, hosts.allSatisfy(isHost) else {
            return .malformedRequest
        }
        // Nothing is unpacked, so what is packed is not what its type says (RFC 9110 §8.4).
        guard head.headers["content-encoding"].allSatisfy({ $0.trimmed.lowercased() == "identity" }) else {
            return .unknownContentCoding
        }
        guard head.headers.contains(name: "transfer-encoding") else { return nil }
        let codings = head.headers["transfer-encoding"].joined(separator: ",")
            .split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmed.lowercased() }
        // Where it is not the last, nobody can know where the body ends (§6.3). HTTP/1.0 has none: whoever passed it on may have framed the
        // message otherwise (§6.1).
        guard codings.last == "chunked", head.version != .http1_0 else { return .malformedRequest }
        return codings.count == 1 ? nil : .unknownTransferCoding
    }

    /// Whether the parser takes this request for one that changes the protocol: `Upgrade` is there, and `Connection` names it.
    /// - Returns: `nil` if `Connection` is written in a way that another reader may understand differently.
    static func stopsParser(_ head: HTTPRequestHead) -> Bool? {
        guard head.headers.contains(name: "upgrade") else { return false }
        let options = head.headers["connection"].flatMap { $0.split(separator: ",") }.map { $0.trimmed.lowercased() }
        if options.contains("upgrade") { return true }
        return options.contains { $0.contains("upgrade") } ? nil : false
    }

    /// Whether these are the characters of a host and a port (RFC 3986 §3.2). It may be empty.
    private static func isHost(_ text: String) -> Bool {
        text.trimmed.utf8.allSatisfy { hostBytes.contains($0) }
    }

    private static let hostBytes = Set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=%[]:".utf8)
}
