import Testing

@testable import LongtakeEngine

/// The table that is drawn at ``AttemptState``, cell by cell.
@Suite("the end of an attempt")
struct AttemptStateTests {
    private typealias Step = @Sendable (inout AttemptState) -> AttemptState.Action
    private static let steps: [Step] = [
        { $0.ended() }, { $0.limitPassed() }, { $0.toldToStop() }, { $0.graceOver() },
    ]

    @Test("answers every pair of a phase and an event as the table says")
    func everyPair() {
        let phases: [[Step]] = [
            [], [{ $0.toldToStop() }], [{ $0.ended() }], [{ $0.toldToStop() }, { $0.graceOver() }],
        ]
        let table: [[AttemptState.Action]] = [
            [.end, .stop, .stop, .nothing],
            [.end, .nothing, .nothing, .abandon],
            [.nothing, .nothing, .nothing, .nothing],
            [.nothing, .nothing, .nothing, .nothing],
        ]
        for (way, row) in zip(phases, table) {
            for (step, action) in zip(Self.steps, row) {
                var state = AttemptState()
                for before in way { _ = before(&state) }
                let found = step(&state)
                #expect(found == action)
            }
        }
    }

    @Test("it is late only if the time limit was the first to stop it")
    func late() {
        var limited = AttemptState()
        _ = limited.limitPassed()
        _ = limited.toldToStop()
        #expect(limited.isLate)
        var told = AttemptState()
        _ = told.toldToStop()
        _ = told.limitPassed()
        #expect(!told.isLate)
    }
}
