/// The first promise that a schedule saw broken. What follows from it is of no interest.
final class Verdict {
    /// What is promised, in the words of the fault campaign.
    ///
    /// Each was seen to be broken with a protection taken out, from seed 1 on in as many schedules
    /// as stand behind it, with the draws of that time. `Tests/Mutations` breaks each rule of
    /// LongtakeCore, and can be repeated.
    enum Oracle: String {
        /// Everything that was answered exists, with its input, once for each key. Broken by a store that forgets keys (5 schedules) or
        /// answers one with another job (7).
        case acknowledgedIsKept = "O1 acknowledged means kept"
        /// Numbers without a gap; the same bytes for ever; nothing that is not durable. Broken by a journal that publishes before its COMMIT
        /// (3 schedules), a live reader that takes events again (25) or behind a gap (88).
        case log = "O2 the log"
        /// One final event, and it is the last; a committed cancel wins. Broken where a success wins over a cancel (140) and where a
        /// body ends before the final event was sent (6).
        case oneEnd = "O3 one end"
        /// Once the faults are off everything comes to its end, no task is left behind, and whenever nothing can go on no stage waits beside a
        /// worker that is free. Broken by a recovery that forgets the second stage of a job (1); a dispatcher that forgets a wake-up
        /// during a claim (1), a due time during a claim (1,103), or what is wanted while it backs off (11); an end of a stage that is
        /// not tried again (74); a read gate that lets nobody in behind who waits (7). And in time: a page that waits although there is more
        /// (6), a cancel that does not reach the run (91) or is forgotten before it begins (377).
        case goesOn = "O4 it goes on"
        /// No stage again after it succeeded, one owner, checkpoints and attempts as they were. Broken by a journal that does not check the
        /// token of a claim (47), a crash that loses the checkpoint (1), an attempt that is counted twice (1), an engine that begins runs
        /// while it drains (65), and one that ends before its last claim is answered (65).
        case stages = "O5 stages"
        /// What is not durable is not acknowledged. Broken by a journal that answers before its COMMIT (1).
        case honesty = "O7 honesty"
        /// The rows and counters of the store say what the logs say. Broken by plans that do not
        /// count, and by heads, fences and holders that are not moved (`Tests/Mutations`).
        case storage = "O6 storage"
        /// Tenants take turns on a queue, and a paused one hands out nothing. Broken where the first tenant by name is served first (seed 1 to
        /// 200: 26).
        case fairness = "O9 fairness"
        /// A reader that comes back is given what follows, is cut only where it does not read, and has everything whenever nothing can go on.
        /// Broken by a reader that goes live although more is known than its page had (34), does not read where it has missed something
        /// (10), or does not read on when there is room (3); by dropped frames that nobody is told of (22), and by a feed that moves a
        /// reader on too far (720). Rings that take the page of an earlier ring (351) or keep a hole (2,024) end in a stack that runs
        /// out, which the process tells with its seed.
        case resume = "O8 resume"
    }

    private(set) var broken: String?
    private let trace: Trace

    init(trace: Trace) { self.trace = trace }

    var isClean: Bool { broken == nil }

    func blame(_ oracle: Oracle, _ text: String) {
        trace.tell("BROKEN \(oracle.rawValue): \(text)")
        if broken == nil { broken = "\(oracle.rawValue): \(text)" }
    }

    func check(_ isKept: Bool, _ oracle: Oracle, _ text: @autoclosure () -> String) {
        if !isKept { blame(oracle, text()) }
    }
}
