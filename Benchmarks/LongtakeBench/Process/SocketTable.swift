/// The TCP connections of this machine, as /proc/net/tcp (proc(5)) lists them.
enum SocketTable {
    /// One end of a connection.
    struct Entry: Sendable {
        /// Bytes that were written and are not acknowledged.
        let unsentBytes: Int
        /// Whether a process still has it open; the kernel keeps a closed one until its bytes are gone.
        let isOwned: Bool
    }

    /// The server's ends of the connections to a port, by the address of the client as the table writes it.
    static func serverEnds(port: Int) -> [String: Entry] {
        let local = ":" + hexadecimal(port, digits: 4)
        var entries: [String: Entry] = [:]
        for line in (SystemFile.text("/proc/net/tcp") ?? "").utf8.split(separator: 0x0a).dropFirst() {
            let fields = line.split(separator: 0x20, maxSplits: 10)
            guard fields.count > 9, String(Substring(fields[1])).hasSuffix(local),
                String(Substring(fields[3])) != listening
            else { continue }
            let queued = fields[4].split(separator: UInt8(ascii: ":")).first.flatMap { Int(Substring($0), radix: 16) }
            entries[String(Substring(fields[2]))] = Entry(
                unsentBytes: queued ?? 0, isOwned: Substring(fields[9]) != "0")
        }
        return entries
    }

    /// An address as the table writes it: the bytes of the IPv4 address backwards, and the port, in hexadecimal.
    static func name(_ address: [UInt8], port: Int) -> String {
        address.reversed().map { hexadecimal(Int($0), digits: 2) }.joined() + ":" + hexadecimal(port, digits: 4)
    }

    private static let listening = "0A"

    private static func hexadecimal(_ number: Int, digits: Int) -> String {
        let text = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
