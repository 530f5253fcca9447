import LongtakeCore

/// On whose behalf a request is answered, and what it may do.
struct Caller: Hashable, Sendable {
    let tenant: TenantName
    let rights: Set<Right>

    /// Of a daemon that asks nobody for a key.
    static let anonymous = Caller(tenant: .anonymous, rights: Set(Right.allCases))
}
