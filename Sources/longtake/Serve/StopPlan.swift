/// How a stop shares out its grace, as a value: each part has a point in time by which it gives up waiting.
///
/// ```text
/// 0 %            30 %            60 %      70 %     80 %    90 %    95 %  100 %
/// ├─ work ────────┼─ streams ─────┼ answers ┼ chores ┼ close ┼ tasks ┼ log ┤ forced end
/// ```
/// A part that ends early leaves its time to the next ones. So all parts together never take more than the grace, and the database always
/// has time to close.
struct StopPlan: Hashable, Sendable {
    /// The parts in their order.
    enum Part: CaseIterable, Sendable {
        /// Workers put their stages back.
        case work
        /// Readers are told, and their streams end.
        case streams
        /// The last answers go out, and the connections close.
        case answers
        /// The pruner and a backup end their present step.
        case chores
        /// The database closes.
        case close
        /// Handlers of clients that have disconnected finish. The database is closed by then, so they can only fail.
        case tasks
        /// The log's last lines are written.
        case log

        /// The part's end, in hundredths of the grace. Workers and streams may wait for stages or
        /// clients, so they get the largest shares. The other parts only finish operations that are already in progress.
        fileprivate var percent: Int {
            switch self {
            case .work: 30
            case .streams: 60
            case .answers: 70
            case .chores: 80
            case .close: 90
            case .tasks: 95
            case .log: 99
            }
        }
    }

    /// The whole stop takes no longer.
    let grace: Duration

    /// When `part` ends at the latest, from the beginning of the stop.
    func end(of part: Part) -> Duration { grace * part.percent / 100 }

    /// What is left for `part` when `elapsed` has passed since the beginning of the stop.
    func left(for part: Part, after elapsed: Duration) -> Duration { max(.zero, end(of: part) - elapsed) }
}
