import Testing

@testable import longtake

@Suite("shutdown plan") struct ShutdownPlanTests {
    @Test("gives each part time in order, and all parts together less than the grace period")
    func parts() {
        for seconds in 1...600 {
            let plan = ShutdownPlan(grace: .seconds(seconds))
            var end = Duration.zero
            for part in ShutdownPlan.Part.allCases {
                #expect(plan.end(of: part) > end, "\(part) of \(seconds) s")
                #expect(plan.left(for: part, after: end) == plan.end(of: part) - end)
                end = plan.end(of: part)
            }
            #expect(end < plan.grace)
            // Time for the pruner, a backup, the database and the logger.
            #expect(plan.grace - plan.end(of: .responses) >= plan.grace * 3 / 10)
        }
    }

    @Test("gives the unused time of a part to the next parts, and none to a part whose deadline has passed")
    func left() {
        let plan = ShutdownPlan(grace: .seconds(10))
        #expect(plan.left(for: .stages, after: .zero) == .seconds(3))
        #expect(plan.left(for: .streams, after: .zero) == .seconds(6))
        #expect(plan.left(for: .streams, after: .seconds(3)) == .seconds(3))
        #expect(plan.left(for: .streams, after: .seconds(7)) == .zero)
    }
}
