/// What must hold whatever fails: the oracles of the fault campaign (docs/reliability.md).
package enum Oracle: String, Sendable, CaseIterable {
    /// Acknowledged means kept: a job that was answered for is there after any crash, once, with its input and its key.
    case acknowledged = "O1"
    /// A job's log is 1…n without a gap, a double or a change: what anybody ever read of it, it still says.
    case log = "O2"
    /// One final event, the last, and the job agrees with it.
    case oneEnd = "O3"
    /// It goes on: when the faults end every job comes to its end, and what runs has a live owner.
    case goesOn = "O4"
    /// No stage begins again once it has succeeded; no attempt is burned by what is not the work's fault.
    case stages = "O5"
    /// The file is sound, and its write-ahead log is bounded.
    case storage = "O6"
    /// What cannot be persisted is not acknowledged and not streamed; `readyz` says so; nothing hangs.
    case honesty = "O7"
    /// A reader that is cut off anywhere pieces exactly the log together.
    case resume = "O8"
}

/// A broken oracle.
package struct Violation: Hashable, Sendable, CustomStringConvertible {
    package let oracle: Oracle
    package let text: String

    package init(_ oracle: Oracle, _ text: String) {
        self.oracle = oracle
        self.text = text
    }

    package var description: String { "\(oracle.rawValue): \(text)" }
}
