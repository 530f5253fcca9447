import Testing

@testable import LongtakeEngine

/// Tests each cell of the table in the documentation of ``AttemptState``.
@Suite("attempt state")
struct AttemptStateTests {
    private typealias Step = @Sendable (inout AttemptState) -> AttemptState.Action
    private static let steps: [Step] = [
        { $0.ended() }, { $0.limitPassed() }, { $0.stopRequested() }, { $0.graceOver() },
    ]

    @Test("returns the action of the table for every pair of phase and event")
    func everyPair() {
        let phases: [[Step]] = [
            [], [{ $0.stopRequested() }], [{ $0.ended() }], [{ $0.stopRequested() }, { $0.graceOver() }],
        ]
        let table: [[AttemptState.Action]] = [
            [.end, .stop, .stop, .nothing],
            [.end, .nothing, .nothing, .abandon],
            [.nothing, .nothing, .nothing, .nothing],
            [.nothing, .nothing, .nothing, .nothing],
        ]
        for (path, row) in zip(phases, table) {
            for (step, action) in zip(Self.steps, row) {
                var state = AttemptState()
                for before in path { _ = before(&state) }
                let found = step(&state)
                #expect(found == action)
            }
        }
    }

    @Test("counts as timed out only if the time limit was the first reason to stop")
    func late() {
        var limited = AttemptState()
        _ = limited.limitPassed()
        _ = limited.stopRequested()
        #expect(limited.isTimedOut)
        var requested = AttemptState()
        _ = requested.stopRequested()
        _ = requested.limitPassed()
        #expect(!requested.isTimedOut)
    }
}
