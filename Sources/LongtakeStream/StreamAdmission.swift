/// The client that a stream or a waiting request belongs to, as far as the hub has to know it.
public struct StreamOwner: Hashable, Sendable {
    /// The quota counts all streams of one account together, such as those of a key and of its
    /// tickets. `nil` for an anonymous client.
    public var account: String?
    /// The key that signed the ticket of the stream; `nil` without a ticket.
    public var signer: String?
    /// How long the client remains authorized; `nil` for no limit.
    public var lifetime: Duration?

    public init(account: String? = nil, signer: String? = nil, lifetime: Duration? = nil) {
        self.account = account
        self.signer = signer
        self.lifetime = lifetime
    }
}

/// The right to have one open stream or one waiting request. It is released when the last reference
/// to it ends.
public final class StreamSlot: Sendable {
    let owner: StreamOwner
    private let release: @Sendable () -> Void

    init(owner: StreamOwner, release: @escaping @Sendable () -> Void) {
        self.owner = owner
        self.release = release
    }

    deinit { release() }
}

/// How many slots are in use, in total and by each account.
struct SlotCounts: Sendable {
    private(set) var total = 0
    private var byAccount: [String: Int] = [:]

    /// Acquires a slot, unless the total or the account is at its limit.
    mutating func acquire(for account: String?, limit: Int, limitPerAccount: Int) -> Bool {
        guard total < limit else { return false }
        if let account {
            guard byAccount[account, default: 0] < limitPerAccount else { return false }
            byAccount[account, default: 0] += 1
        }
        total += 1
        return true
    }

    mutating func release(of account: String?) {
        total -= 1
        guard let account, let count = byAccount[account] else { return }
        byAccount[account] = count > 1 ? count - 1 : nil
    }
}
