/// When something was, for promises that name a time.
struct Moment {
    let time: Duration
    let disturbances: Int
    /// Nothing held the daemon up.
    let isCalm: Bool

    /// How long ago that was; `nil` where something has held the daemon up since then.
    func since(_ earlier: Moment) -> Duration? {
        earlier.isCalm && isCalm && disturbances == earlier.disturbances ? time - earlier.time : nil
    }
}
