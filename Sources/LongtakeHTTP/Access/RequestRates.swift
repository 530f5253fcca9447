import Synchronization

/// How often each key may ask: a bucket of tokens for each, which holds as many as a second gives.
final class RequestRates: Sendable {
    /// Who is counted together.
    enum Account: Hashable {
        case key(KeyID)
        /// All tickets of one key: a page with many readers takes nothing from the key's own requests.
        case tickets(KeyID)
    }

    private let perSecond: Double
    private let buckets = Mutex<[Account: TokenBucket]>([:])

    /// - Parameter perSecond: at least 1; 0 for no limit.
    init(perSecond: Int) { self.perSecond = Double(perSecond) }

    /// Takes one token.
    /// - Parameter time: of a clock that only goes forward.
    /// - Returns: `nil` where there was one, otherwise after how many seconds there will be.
    func take(_ account: Account, at time: Duration) -> Int? {
        guard perSecond > 0 else { return nil }
        return buckets.withLock { buckets in
            buckets[account, default: TokenBucket(perSecond: perSecond, at: time)].take(at: time)
        }
    }

    /// Forgets the accounts of keys that are gone.
    func keep(_ isKept: (KeyID) -> Bool) {
        buckets.withLock { buckets in
            buckets = buckets.filter { account, _ in
                switch account {
                case .key(let id), .tickets(let id): isKept(id)
                }
            }
        }
    }
}

/// Tokens that come at a steady pace, as many as a second gives at most.
struct TokenBucket: Sendable {
    private let perSecond: Double
    private var tokens: Double
    private var last: Duration

    init(perSecond: Double, at time: Duration) {
        self.perSecond = perSecond
        tokens = perSecond
        last = time
    }

    /// - Returns: `nil` where there was a token, otherwise the whole seconds until there is one.
    mutating func take(at time: Duration) -> Int? {
        tokens = min(perSecond, tokens + max(.zero, time - last) / .seconds(1) * perSecond)
        last = max(last, time)
        guard tokens < 1 else {
            tokens -= 1
            return nil
        }
        return max(1, Int(((1 - tokens) / perSecond).rounded(.up)))
    }
}
