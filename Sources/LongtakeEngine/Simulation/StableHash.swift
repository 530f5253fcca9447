/// FNV-1a in 64 bits (RFC 9923): the same for the same text in every process, which `Hasher` is not.
struct StableHash: Hashable, Sendable {
    let value: UInt64

    init(_ text: String) {
        value = text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    }
}
