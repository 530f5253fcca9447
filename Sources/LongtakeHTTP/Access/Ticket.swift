import LongtakeCore

/// Lets whoever has it read some jobs for some time, without a key: for an `EventSource`, which cannot send headers.
///
/// It is not stored: it says all this itself and is signed. It may be used as often as wanted, since an `EventSource` comes back with the
/// address that it has.
struct Ticket: Hashable, Sendable, Codable {
    let tenant: TenantName
    /// 1 to ``Limits/ticketJobs``.
    let jobs: [JobID]
    /// The key that it was made with, and without which it opens nothing; `nil` where nobody is asked for one.
    let key: KeyID?
    /// In seconds since 1970 on the steady clock (``WallClock/steady()``): from then on it opens nothing.
    let expires: Int64

    private enum CodingKeys: String, CodingKey {
        case tenant, jobs, key, expires
    }

    init(for caller: Caller, jobs: [JobID], expiresAt time: Timestamp) {
        tenant = caller.tenant
        self.jobs = jobs
        key = caller.key
        // Not earlier than was said.
        expires = (time.millisecondsSince1970 + 999) / 1_000
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        tenant = try container.decode(TenantName.self, forKey: .tenant)
        jobs = try container.decode([String].self, forKey: .jobs).compactMap { JobID($0) }
        key = try container.decodeIfPresent(KeyID.self, forKey: .key)
        expires = try container.decode(Int64.self, forKey: .expires)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(tenant, forKey: .tenant)
        try container.encode(jobs.map(\.description), forKey: .jobs)
        try container.encodeIfPresent(key, forKey: .key)
        try container.encode(expires, forKey: .expires)
    }

    func isExpired(at time: Timestamp) -> Bool { time.millisecondsSince1970 >= expires * 1_000 }

    var expiresAt: Timestamp { Timestamp(millisecondsSince1970: expires * 1_000) }

    /// Whoever shows it.
    func caller(signedBy signer: KeyID, at time: Timestamp) -> Caller {
        let left = Duration.milliseconds(expires * 1_000 - time.millisecondsSince1970)
        return Caller(
            tenant: tenant, rights: [.read], key: key,
            ticket: TicketScope(jobs: Set(jobs), signer: signer, lasting: left))
    }
}
