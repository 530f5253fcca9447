import LongtakeCore

/// On whose behalf a request is answered, and what it may do.
struct Caller: Hashable, Sendable {
    let tenant: TenantName
    let rights: Set<Right>
    /// The key that was shown, or that the ticket was made with; `nil` where nobody is asked for one.
    let key: KeyID?
    /// The jobs that a ticket is for; `nil` for all of the tenant's.
    var jobs: Set<JobID>?

    /// Of a daemon that asks nobody for a key.
    static let anonymous = Caller(tenant: .anonymous, rights: Set(Right.allCases), key: nil)

    /// Whether it may know of this job, where it is the tenant's.
    func sees(_ job: JobID) -> Bool { jobs?.contains(job) ?? true }
}
