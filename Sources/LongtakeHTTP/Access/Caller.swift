import LongtakeCore
import LongtakeStream

/// On whose behalf a request is answered, and what it may do.
struct Caller: Hashable, Sendable {
    let tenant: TenantName
    let rights: Set<Right>
    /// The key that was shown, or that the ticket was made with; `nil` where nobody is asked for one.
    let key: KeyID?
    /// What a ticket that was shown says; `nil` where none was.
    var ticket: TicketScope?
    /// The jobs that it may know of; `nil` for all of the tenant's.
    var jobs: Set<JobID>? { ticket?.jobs }

    /// Of a daemon that asks nobody for a key.
    static let anonymous = Caller(tenant: .anonymous, rights: Set(Right.allCases), key: nil)

    /// Whether it may know of this job, where it is the tenant's.
    func sees(_ job: JobID) -> Bool { jobs?.contains(job) ?? true }

    /// Who answers for its streams.
    var owner: StreamOwner {
        StreamOwner(account: key?.description, signer: ticket?.signer.description, lasting: ticket?.lasting)
    }
}

/// What a ticket opens, and for how long from now on.
struct TicketScope: Hashable, Sendable {
    let jobs: Set<JobID>
    /// What it was signed with.
    let signer: KeyID
    let lasting: Duration
}
