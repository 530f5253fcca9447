import Crypto
import FoundationEssentials
import LongtakeCore
import Synchronization

/// The keys that open something, in memory: no request waits for a disk to find out who sent it.
public final class KeyRing: Sendable {
    private struct Entry {
        let hash: Bits256
        let caller: Caller
    }

    private let entries = Mutex<[KeyID: Entry]>([:])

    public init(_ records: [KeyRecord] = []) { replace(with: records) }

    /// From the next request on these are the keys; revoked ones are left out.
    public func replace(with records: [KeyRecord]) {
        var new: [KeyID: Entry] = [:]
        for record in records where record.revokedAt == nil {
            new[record.id] = Entry(
                hash: record.hash, caller: Caller(tenant: record.tenant, rights: Set(record.rights), key: record.id))
        }
        entries.withLock { $0 = new }
    }

    /// How many there are.
    public var count: Int { entries.withLock { $0.count } }

    /// Whether the key with this id opens anything.
    func holds(_ id: KeyID) -> Bool { entries.withLock { $0[id] != nil } }

    /// Whose key it is; `nil` where it is nobody's. Compares in a time that does not depend on where the hashes differ.
    func caller(with key: APIKey) -> Caller? {
        guard let entry = entries.withLock({ $0[key.id] }), key.digest == entry.hash.data else { return nil }
        return entry.caller
    }
}
