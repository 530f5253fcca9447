import LongtakeCore
import Testing

@testable import LongtakeSQLite

@Suite("the schedule of pruning")
struct PruneScheduleTests {
    private let noon = Timestamp(millisecondsSince1970: 1_795_176_000_000)
    private func later(_ seconds: Int) -> Timestamp { noon.advanced(by: .seconds(seconds)) }
    private let hour = Retention(age: .seconds(3600), maxBytes: nil)

    @Test("continues while something is due, then checks when the oldest job is due")
    func pace() {
        var state = PruneSchedule(hour)
        #expect(state.sliced(PruneOutcome(hasMore: true, oldest: noon), at: later(3600)).next == .slice)
        let end = state.sliced(PruneOutcome(oldest: later(500)), at: later(3601))
        #expect(end.next == .check(at: later(4100)))
        #expect(end.notes.isEmpty)
    }

    @Test("a run is logged at its end")
    func tally() {
        var state = PruneSchedule(hour)
        #expect(state.sliced(PruneOutcome(jobs: 1, events: 10, hasMore: true), at: noon).notes.isEmpty)
        let end = state.sliced(PruneOutcome(jobs: 2, events: 20), at: later(1))
        #expect(end.notes == [.pruned(jobs: 3, events: 30)])
        #expect(state.stopped() == nil)
    }

    @Test("a long run is logged each minute")
    func longRun() {
        var (state, notes) = (PruneSchedule(hour), [PruneSchedule.Note]())
        for second in 0...130 {
            notes += state.sliced(PruneOutcome(jobs: 1, events: 5, hasMore: true), at: later(second)).notes
        }
        #expect(notes == [.pruned(jobs: 61, events: 305), .pruned(jobs: 61, events: 305)])
        #expect(state.stopped() == .pruned(jobs: 9, events: 45))
    }

    @Test("consecutive short runs are logged together, including the last")
    func shortRuns() {
        var state = PruneSchedule(Retention(age: nil, maxBytes: nil))
        #expect(state.sliced(PruneOutcome(jobs: 1, events: 1), at: noon).notes == [.pruned(jobs: 1, events: 1)])
        let second = state.sliced(PruneOutcome(jobs: 1, events: 1), at: later(5))
        #expect(second.notes.isEmpty)
        #expect(second.next == .check(at: later(60)))
        #expect(state.sliced(PruneOutcome(), at: later(60)).notes == [.pruned(jobs: 1, events: 1)])
    }

    @Test("it logs once that only active jobs exceed the limit, and again after a change")
    func blocked() {
        var state = PruneSchedule(Retention(age: nil, maxBytes: 1_000))
        let (full, roomy) = (PruneOutcome(usedBytes: 1_001), PruneOutcome(usedBytes: 1_000))
        #expect(state.sliced(full, at: noon).notes == [.blocked(usedBytes: 1_001)])
        #expect(state.sliced(full, at: later(1)).notes.isEmpty)
        #expect(state.sliced(full, at: later(1)).next == .check(at: nil))
        #expect(state.sliced(roomy, at: later(2)).notes.isEmpty)
        #expect(state.sliced(full, at: later(3)).notes == [.blocked(usedBytes: 1_001)])
    }

    @Test("timers do not pile up: a long one serves all later requests")
    func timers() {
        var timers = PrunerTimers()
        func time(_ seconds: Int64) -> Timestamp { Timestamp(millisecondsSince1970: seconds * 1000) }
        var running = timers.set(time(604_800)) ? 1 : 0
        for minute in 1...1_000 as ClosedRange<Int64> {
            let (earlier, later) = (timers.set(time(minute * 60)), timers.set(time(minute * 60 + 1)))
            #expect(earlier && !later, "only the earlier time, that of the log line, needs a timer")
            timers.fired(time(minute * 60))
            // The job that is the oldest now is due later than the previous one.
            if timers.set(time(604_800 + minute)) { running += 1 }
        }
        #expect(running == 1)
        timers.fired(time(604_800))
        let again = timers.set(time(604_800))
        #expect(again, "if the wall clock is behind when a timer fires, the same time needs another timer")
    }
}
