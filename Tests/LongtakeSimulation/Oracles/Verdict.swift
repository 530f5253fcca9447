/// The first violated guarantee of a schedule. Later violations may follow from it, so they are
/// ignored.
final class Verdict {
    /// An oracle decides whether a guarantee holds. The names are those of docs/reliability.md.
    ///
    /// Each oracle has found a violation when a protection was removed. The number after a
    /// protection is the number of schedules, from seed 1, until the oracle found it. Before O10
    /// existed, seeds gave other schedules. `Tests/Mutations` breaks each rule of LongtakeCore, and
    /// can be repeated.
    enum Oracle: String {
        /// Every acknowledged job exists with its input, once per key. Violated by a store that
        /// forgets keys (5 schedules) or returns another job for a key (7).
        case acknowledged = "O1 acknowledged jobs are kept"
        /// The numbers have no gap, an event always has the same bytes, and readers get only
        /// durable events. Violated by a journal that publishes before COMMIT (3), by a live reader
        /// that accepts events twice (25) or after a gap (88).
        case log = "O2 the event log"
        /// There is exactly one final event, it is the last, and a committed cancel wins. Violated
        /// if a success overrides a cancel (140), and if a body ends before the final event (6).
        case finalEvent = "O3 one final event"
        /// After the faults every job finishes, and no task is left. Whenever nothing can run, no
        /// stage waits while a worker is free. Violated by a recovery that forgets the second stage
        /// of a job (1); a dispatcher that forgets a wake-up during a claim (1), a due time during
        /// a claim (1,103), or its free workers while it backs off (11); the end of a stage that is
        /// not retried (74); a read gate that blocks the reads that wait (7). With time limits: a
        /// page that waits although there are more events (6), a cancel that does not reach the run
        /// (91) or is forgotten before the run begins (377).
        case progress = "O4 progress"
        /// No stage runs again after it succeeded, it has one owner, and checkpoints and attempts
        /// are correct. Violated by a journal that does not check the fence of a claim (47), a
        /// crash that loses the checkpoint (1), an attempt that counts twice (1), an engine that
        /// starts runs during its drain (65), and an engine that ends before its last claim is
        /// answered (65).
        case stages = "O5 stages"
        /// No command is acknowledged before it is durable, and no rejected command is executed.
        /// Violated by a journal that answers before COMMIT (1).
        case honesty = "O7 honesty"
        /// The rows and counters of the store agree with the event logs. Violated by plans that do
        /// not count, and by heads, fences and holders that are not moved (`Tests/Mutations`).
        case storage = "O6 storage"
        /// Tenants take turns on a queue, and no stage of a paused queue is claimed. Violated if
        /// tenants are served by name (seeds 1 to 200: 26).
        case fairness = "O9 fairness"
        /// A reader that resumes gets the following events, is disconnected only if it does not
        /// read, and has every event whenever nothing can run. Violated by a reader that goes live
        /// although there are more events than on its page (34), that does not read after a gap
        /// (10), or does not continue when the connection is writable (3); by frames that are
        /// dropped without notice (22), and by a feed that moves a cursor too far (720). Rings that
        /// use the page of an earlier ring (351) or keep a gap (2,024) end in a stack overflow. The
        /// process then prints the seed.
        case resume = "O8 resume"
        /// Each lane of the writer runs in its order and within its limits, and no command is lost,
        /// starved or run twice.
        case writer = "O10 the writer"
    }

    private(set) var broken: String?
    private let trace: Trace

    init(trace: Trace) { self.trace = trace }

    var isClean: Bool { broken == nil }

    func fail(_ oracle: Oracle, _ text: String) {
        trace.tell("BROKEN \(oracle.rawValue): \(text)")
        if broken == nil { broken = "\(oracle.rawValue): \(text)" }
    }

    func check(_ isKept: Bool, _ oracle: Oracle, _ text: @autoclosure () -> String) {
        if !isKept { fail(oracle, text()) }
    }
}
