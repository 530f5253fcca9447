/// Fair queueing between the tenants of one queue: start-time fair queueing (Goyal, Vin and Cheng 1996),
/// charged at the claim. The tenant with the smallest ``Served`` is next; if two are equal, the first by
/// name.
public enum FairShare {
    /// What a tenant has been served on a queue, in claims.
    public typealias Served = Int64

    /// Charges one claim to a tenant.
    /// - Parameters:
    ///   - served: what the tenant had been served before.
    ///   - virtual: the start of the queue's last claim. A tenant that was away goes on from there, so it
    ///     neither saves up turns nor has to catch up.
    /// - Returns: both after the claim.
    public static func charge(_ served: Served, virtual: Served) -> (served: Served, virtual: Served) {
        let start = max(served, virtual)
        return (start + 1, start)
    }
}
