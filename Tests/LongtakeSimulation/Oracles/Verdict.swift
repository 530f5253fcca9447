/// The first promise that a schedule saw broken. What follows from it is of no interest.
final class Verdict {
    /// What is promised, in the words of the fault campaign.
    enum Oracle: String {
        case acknowledgedIsKept = "O1 acknowledged means kept"
        case log = "O2 the log"
        case oneEnd = "O3 one end"
        case goesOn = "O4 it goes on"
        case stages = "O5 stages"
        case honesty = "O7 honesty"
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
