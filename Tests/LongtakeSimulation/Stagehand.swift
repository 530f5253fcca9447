import LongtakeCore

/// What everything in a schedule needs to tell what happened and what is broken. Unchecked, because the simulation has one thread.
final class Stagehand: @unchecked Sendable {
    let trace: Trace
    let verdict: Verdict
    let book: LogBook
    private let time: VirtualTime
    /// How often something was done to the daemon that may hold it up.
    var disturbances = 0
    /// Whether the disk does what it should.
    var isDiskFine = { true }
    private var refusedAt: Duration = .seconds(-1_000)

    init(time: VirtualTime, isTold: Bool) {
        self.time = time
        trace = Trace(isTold: isTold, time: time)
        verdict = Verdict(trace: trace)
        book = LogBook(verdict: verdict, trace: trace)
    }

    /// The disk refused something. Whoever needs it waits for up to five seconds then, from when he has heard of it.
    func noteRefusal() { refusedAt = time.now }

    var moment: Moment {
        Moment(
            time: time.now, disturbances: disturbances,
            isCalm: isDiskFine() && time.now - refusedAt > Limits.persistRetryDelayMost + .seconds(1))
    }
}
