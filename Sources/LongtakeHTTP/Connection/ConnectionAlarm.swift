import NIOCore

/// A connection's one deadline at a time, which moves with every request, on a timer that is left alone as long as it rings early enough.
///
/// A busy connection has three deadlines a request, each of which is over long before it has passed. To have a timer for each costs more than
/// a look at the clock; so one that rings too early is set anew.
struct ConnectionAlarm {
    enum Action: Hashable {
        case nothing
        /// Have the timer ring then, in place of when it would.
        case set(NIODeadline)
        /// The deadline has passed.
        case passed
    }

    private var deadline: NIODeadline?
    /// When the timer rings.
    private var due: NIODeadline?

    /// The deadline, in place of any before.
    mutating func start(_ deadline: NIODeadline) -> Action {
        self.deadline = deadline
        if let due, due <= deadline { return .nothing }
        due = deadline
        return .set(deadline)
    }

    /// There is no deadline. The timer may still ring.
    mutating func stop() { deadline = nil }

    /// The timer rang.
    mutating func rang(at now: NIODeadline) -> Action {
        due = nil
        guard let deadline else { return .nothing }
        guard deadline <= now else { return start(deadline) }
        self.deadline = nil
        return .passed
    }

    /// The timer was taken away.
    mutating func silenced() { (deadline, due) = (nil, nil) }
}
