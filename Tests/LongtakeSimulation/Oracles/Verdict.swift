/// The first guarantee that a schedule saw violated. Later violations may follow from it and are
/// ignored.
final class Verdict {
    /// The guarantees, in the words of the fault campaign.
    ///
    /// Each was seen to be violated when a protection was removed. The number after a protection is
    /// the first seed, counted from 1, that found it. Before O10 existed, seeds gave other schedules.
    /// `Tests/Mutations` breaks each rule of LongtakeCore, and can be repeated.
    enum Oracle: String {
        /// Every acknowledged job exists with its input, once per key. Violated by a store that
        /// forgets keys (5 schedules) or returns another job for a key (7).
        case acknowledgedIsKept = "O1 acknowledged means kept"
        /// Numbers without a gap, always the same bytes, nothing that is not durable. Violated by a
        /// journal that publishes before COMMIT (3), by a live reader that accepts events twice
        /// (25) or after a gap (88).
        case log = "O2 the log"
        /// Exactly one final event, which is the last; a committed cancel wins. Violated if a
        /// success overrides a cancel (140), and if a body ends before the final event (6).
        case oneEnd = "O3 one end"
        /// After the faults every job finishes, no task is left, and whenever nothing can run, no
        /// stage waits beside a free worker. Violated by a recovery that forgets the second stage
        /// of a job (1); a dispatcher that forgets a wake-up during a claim (1), a due time during
        /// a claim (1,103), or its free workers while it backs off (11); the end of a stage that is
        /// not retried (74); a read gate that blocks the reads that wait (7). With time limits: a
        /// page that waits although there are more events (6), a cancel that does not reach the run
        /// (91) or is forgotten before the run begins (377).
        case goesOn = "O4 it goes on"
        /// No stage runs again after it succeeded, it has one owner, and checkpoints and attempts
        /// are correct. Violated by a journal that does not check the fence of a claim (47), a
        /// crash that loses the checkpoint (1), an attempt that counts twice (1), an engine that
        /// starts runs during its drain (65), and one that ends before its last claim is answered
        /// (65).
        case stages = "O5 stages"
        /// Nothing is acknowledged before it is durable, and nothing happens after it was rejected.
        /// Violated by a journal that answers before COMMIT (1).
        case honesty = "O7 honesty"
        /// The rows and counters of the store say what the logs say. Broken by plans that do not
        /// count, and by heads, fences and holders that are not moved (`Tests/Mutations`).
        case storage = "O6 storage"
        /// Tenants take turns on a queue, and a paused queue hands out nothing. Violated if tenants
        /// are served by name (seeds 1 to 200: 26).
        case fairness = "O9 fairness"
        /// A reader that resumes gets the following events, is disconnected only if it does not
        /// read, and has every event whenever nothing can run. Violated by a reader that goes live
        /// although there are more events than on its page (34), that does not read after a gap
        /// (10), or does not continue when there is room (3); by dropped frames without notice
        /// (22), and by a feed that moves a cursor too far (720). Rings that use the page of an
        /// earlier ring (351) or keep a gap (2,024) end in a stack overflow, whose seed the process
        /// prints.
        case resume = "O8 resume"
        /// Each lane of the writer runs in its order and within its limits, and no command is lost,
        /// starved or run twice.
        case writer = "O10 the writer"
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
