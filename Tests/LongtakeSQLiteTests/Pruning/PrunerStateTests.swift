import LongtakeCore
import Testing

@testable import LongtakeSQLite

@Suite("when to prune, and what to say of it")
struct PrunerStateTests {
    private let noon = Timestamp(millisecondsSince1970: 1_795_176_000_000)
    private func later(_ seconds: Int) -> Timestamp { noon.advanced(by: .seconds(seconds)) }
    private let hour = Retention(age: .seconds(3600), maxBytes: nil)

    @Test("goes on while something is due, then looks when the oldest job will be")
    func pace() {
        var state = PrunerState(hour)
        #expect(state.sliced(PruneOutcome(hasMore: true, oldest: noon), at: later(3600)).next == .slice)
        let end = state.sliced(PruneOutcome(oldest: later(500)), at: later(3601))
        #expect(end.next == .look(at: later(4100)))
        #expect(end.notes.isEmpty)
    }

    @Test("a run is told of at its end")
    func tally() {
        var state = PrunerState(hour)
        #expect(state.sliced(PruneOutcome(jobs: 1, events: 10, hasMore: true), at: noon).notes.isEmpty)
        let end = state.sliced(PruneOutcome(jobs: 2, events: 20), at: later(1))
        #expect(end.notes == [.pruned(jobs: 3, events: 30)])
        #expect(state.stopped() == nil)
    }

    @Test("a long run is told of each minute")
    func longRun() {
        var (state, notes) = (PrunerState(hour), [PrunerState.Note]())
        for second in 0...130 {
            notes += state.sliced(PruneOutcome(jobs: 1, events: 5, hasMore: true), at: later(second)).notes
        }
        #expect(notes == [.pruned(jobs: 61, events: 305), .pruned(jobs: 61, events: 305)])
        #expect(state.stopped() == .pruned(jobs: 9, events: 45))
    }

    @Test("short runs one after the other are told of together, and the last not forgotten")
    func shortRuns() {
        var state = PrunerState(Retention(age: nil, maxBytes: nil))
        #expect(state.sliced(PruneOutcome(jobs: 1, events: 1), at: noon).notes == [.pruned(jobs: 1, events: 1)])
        let second = state.sliced(PruneOutcome(jobs: 1, events: 1), at: later(5))
        #expect(second.notes.isEmpty)
        #expect(second.next == .look(at: later(60)))
        #expect(state.sliced(PruneOutcome(), at: later(60)).notes == [.pruned(jobs: 1, events: 1)])
    }

    @Test("that only active jobs are left above the bound is said once, and again after it was not so")
    func blocked() {
        var state = PrunerState(Retention(age: nil, maxBytes: 1_000))
        let (full, roomy) = (PruneOutcome(usedBytes: 1_001), PruneOutcome(usedBytes: 1_000))
        #expect(state.sliced(full, at: noon).notes == [.blocked(usedBytes: 1_001)])
        #expect(state.sliced(full, at: later(1)).notes.isEmpty)
        #expect(state.sliced(full, at: later(1)).next == .look(at: nil))
        #expect(state.sliced(roomy, at: later(2)).notes.isEmpty)
        #expect(state.sliced(full, at: later(3)).notes == [.blocked(usedBytes: 1_001)])
    }

    @Test("timers do not pile up: one that runs for long serves all later wishes, also after shorter ones have fired")
    func timers() {
        var timers = PrunerTimers()
        func time(_ seconds: Int64) -> Timestamp { Timestamp(millisecondsSince1970: seconds * 1000) }
        var running = timers.set(time(604_800)) ? 1 : 0
        for minute in 1...1_000 as ClosedRange<Int64> {
            let (telling, later) = (timers.set(time(minute * 60)), timers.set(time(minute * 60 + 1)))
            #expect(telling && !later, "the first is to tell of what was pruned")
            timers.fired(time(minute * 60))
            // The job that is oldest now is due later than the one before.
            if timers.set(time(604_800 + minute)) { running += 1 }
        }
        #expect(running == 1)
        timers.fired(time(604_800))
        let again = timers.set(time(604_800))
        #expect(again, "the wall clock was behind")
    }
}
