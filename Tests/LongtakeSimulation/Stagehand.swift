/// What everything in a schedule needs to tell what happened and what is broken. Unchecked, because the simulation has one thread.
final class Stagehand: @unchecked Sendable {
    let trace: Trace
    let verdict: Verdict
    let book: LogBook

    init(time: VirtualTime, isTold: Bool) {
        trace = Trace(isTold: isTold, time: time)
        verdict = Verdict(trace: trace)
        book = LogBook(verdict: verdict, trace: trace)
    }
}
