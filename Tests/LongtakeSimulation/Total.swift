/// The sum of all schedules of a run. Two runs of the same seeds give the same text.
struct Total: CustomStringConvertible {
    private var schedules = 0
    private var steps = 0
    private var boots = 0
    private var events = 0
    private(set) var broken = 0
    private var hash: UInt64 = 0

    mutating func add(_ outcome: Schedule.Outcome) {
        schedules += 1
        steps += outcome.steps
        boots += outcome.boots
        events += outcome.events
        if outcome.broken != nil { broken += 1 }
        hash = (hash &* 31) ^ outcome.hash
    }

    var description: String {
        "\(schedules) schedules, \(broken) broken; \(steps) steps, \(boots) boots, \(events) events; hash \(String(hash, radix: 16))"
    }
}
