import LongtakeCore

/// Start-time fair queueing between the tenants of one queue (Goyal, Vin and Cheng 1996), charged at the claim.
struct FairShare: Sendable {
    private var served: [TenantName: Int64] = [:]
    /// The start value of the last claim: where a tenant that was away goes on.
    private var virtual: Int64 = 0

    /// The tenant that was served least; the first by name where that is equal.
    func next(of tenants: Set<TenantName>) -> TenantName? {
        tenants.min { (served[$0] ?? 0, $0) < (served[$1] ?? 0, $1) }
    }

    mutating func charge(_ tenant: TenantName) {
        virtual = max(served[tenant] ?? 0, virtual)
        served[tenant] = virtual + 1
    }
}
