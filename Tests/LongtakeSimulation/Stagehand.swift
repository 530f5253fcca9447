import LongtakeCore
import LongtakeEngine

/// Records the events of a schedule, and the first violated guarantee. Unchecked, because the
/// simulation has one thread.
final class Stagehand: @unchecked Sendable {
    let trace: Trace
    let verdict: Verdict
    let book: LogBook
    private let time: VirtualTime
    /// The number of actions so far that may delay the daemon.
    var disturbances = 0
    /// Whether the disk works.
    var isDiskFine = { true }
    private var contents = 0
    private var refusedAt: Duration = .seconds(-1_000)

    init(time: VirtualTime, printsTrace: Bool) {
        self.time = time
        trace = Trace(printsTrace: printsTrace, time: time)
        verdict = Verdict(trace: trace)
        book = LogBook(verdict: verdict, trace: trace)
    }

    /// The number of a new content, which no other artifact has.
    func nextContent() -> Int {
        contents += 1
        return contents
    }

    /// The disk has rejected a command. Its caller may wait up to five seconds before its next try.
    func noteRefusal() { refusedAt = time.now }

    var moment: Moment {
        Moment(
            time: time.now, disturbances: disturbances,
            isCalm: isDiskFine() && time.now - refusedAt > EngineLimits.maximumPersistRetryDelay + .seconds(1))
    }
}
