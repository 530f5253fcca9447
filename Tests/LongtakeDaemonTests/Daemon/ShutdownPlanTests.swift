import Testing

@testable import longtake

@Suite("the plan of a stop") struct StopPlanTests {
    @Test("gives every part some time at every grace, one after the other, and all of them less than the grace")
    func parts() {
        for seconds in 1...600 {
            let plan = StopPlan(grace: .seconds(seconds))
            var end = Duration.zero
            for part in StopPlan.Part.allCases {
                #expect(plan.end(of: part) > end, "\(part) of \(seconds) s")
                #expect(plan.left(for: part, after: end) == plan.end(of: part) - end)
                end = plan.end(of: part)
            }
            #expect(end < plan.grace)
            // The pruner, a backup, the database and the log.
            #expect(plan.grace - plan.end(of: .answers) >= plan.grace * 3 / 10)
        }
    }

    @Test("leaves what an early part did not take to the next ones, and nothing to a part whose time is over")
    func left() {
        let plan = StopPlan(grace: .seconds(10))
        #expect(plan.left(for: .work, after: .zero) == .seconds(3))
        #expect(plan.left(for: .streams, after: .zero) == .seconds(6))
        #expect(plan.left(for: .streams, after: .seconds(3)) == .seconds(3))
        #expect(plan.left(for: .streams, after: .seconds(7)) == .zero)
    }
}
