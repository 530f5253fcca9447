/// A point in time, for guarantees with a time limit.
struct Moment {
    let time: Duration
    let disturbances: Int
    /// No fault delays the daemon.
    let isCalm: Bool

    /// The time since then; `nil` if a fault has delayed the daemon meanwhile.
    func since(_ earlier: Moment) -> Duration? {
        earlier.isCalm && isCalm && disturbances == earlier.disturbances ? time - earlier.time : nil
    }
}
