/// Fair queueing of the tenants on one queue: start-time fair queueing (Goyal, Vin and Cheng 1996).
/// Each claim is charged to its tenant. The tenant with the smallest ``Served`` is next. If several
/// are equal, the first one by name is next.
public enum FairShare {
    /// The service that a tenant has received on a queue, in claims.
    public typealias Served = Int64

    /// Charges one claim to a tenant.
    /// - Parameters:
    ///   - served: the service of the tenant before the claim.
    ///   - virtual: the virtual time of the queue, which is the start of its last claim. A tenant
    ///     that had no stages continues from there, so it has neither credit nor debt.
    /// - Returns: both values after the claim.
    public static func charge(_ served: Served, virtual: Served) -> (served: Served, virtual: Served) {
        let start = max(served, virtual)
        return (start + 1, start)
    }
}
