import NIOCore
import Testing

@testable import LongtakeHTTP

@Suite("the deadline of a connection")
struct ConnectionDeadlineTests {
    private static func second(_ second: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(second) }

    @Test("expires once, at its time")
    func expires() {
        var deadline = ConnectionDeadline()
        var action = deadline.start(Self.second(10))
        #expect(action == .schedule(Self.second(10)))
        action = deadline.timerFired(at: Self.second(10))
        #expect(action == .expired)
        action = deadline.timerFired(at: Self.second(11))
        #expect(action == .nothing)
    }

    @Test("keeps its timer when it moves later, and schedules it again when it fires too early")
    func later() {
        var deadline = ConnectionDeadline()
        _ = deadline.start(Self.second(10))
        var action = deadline.start(Self.second(60))
        #expect(action == .nothing)
        action = deadline.timerFired(at: Self.second(10))
        #expect(action == .schedule(Self.second(60)))
        action = deadline.timerFired(at: Self.second(60))
        #expect(action == .expired)
    }

    // Fails without the comparison in `start`: a slow head then had the 60 s of an idle connection.
    @Test("schedules its timer again when it moves earlier")
    func earlier() {
        var deadline = ConnectionDeadline()
        _ = deadline.start(Self.second(60))
        let action = deadline.start(Self.second(10))
        #expect(action == .schedule(Self.second(10)))
    }

    @Test("does not expire after it was stopped, and keeps its timer for the next one")
    func stopped() {
        var deadline = ConnectionDeadline()
        _ = deadline.start(Self.second(10))
        deadline.stop()
        var action = deadline.start(Self.second(20))
        #expect(action == .nothing)
        deadline.stop()
        action = deadline.timerFired(at: Self.second(10))
        #expect(action == .nothing)
        action = deadline.start(Self.second(30))
        #expect(action == .schedule(Self.second(30)))
    }

    @Test("schedules a new timer after its timer was cancelled")
    func cancelled() {
        var deadline = ConnectionDeadline()
        _ = deadline.start(Self.second(10))
        deadline.timerCancelled()
        let action = deadline.start(Self.second(20))
        #expect(action == .schedule(Self.second(20)))
    }
}
