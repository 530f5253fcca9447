import LongtakeCore
import Testing

@testable import LongtakeEngine

@Suite("The dispatcher's decisions")
struct DispatcherStateTests {
    private static func time(_ milliseconds: Int64) -> Timestamp { Timestamp(millisecondsSince1970: milliseconds) }

    @Test("a wake-up claims for all free workers, and no second claim is made while one is under way")
    func oneClaimAtATime() {
        var state = DispatcherState(workers: 4)
        #expect(state.wake() == [.claim(limit: 4)])
        #expect(state.wake() == [])
    }

    @Test("a wake-up during a claim is not lost, though the claim came back empty")
    func wakeDuringClaim() {
        var state = DispatcherState(workers: 4)
        _ = state.wake()
        _ = state.wake()
        #expect(state.claimed(0, nextDue: nil) == [.claim(limit: 4)])
    }

    @Test("a claim that brought fewer than asked for rests until something wakes it")
    func emptyQueue() {
        var state = DispatcherState(workers: 4)
        _ = state.wake()
        #expect(state.claimed(3, nextDue: nil) == [])
        #expect(state.workerFreed() == [])
        #expect(state.wake() == [.claim(limit: 2)])
    }

    @Test("a claim that brought all it asked for goes on as soon as a worker is free")
    func fullClaim() {
        var state = DispatcherState(workers: 2)
        _ = state.wake()
        #expect(state.claimed(2, nextDue: nil) == [])
        #expect(state.workerFreed() == [.claim(limit: 1)])
    }

    @Test("more workers than one claim may take are fed by several")
    func bigPool() {
        var state = DispatcherState(workers: Limits.claimsAtOnce + 10)
        #expect(state.wake() == [.claim(limit: Limits.claimsAtOnce)])
        #expect(state.claimed(Limits.claimsAtOnce, nextDue: nil) == [.claim(limit: 10)])
    }

    @Test("a wake-up while all workers are busy claims when one is free")
    func wakeWhileBusy() {
        var state = DispatcherState(workers: 1)
        _ = state.wake()
        _ = state.claimed(1, nextDue: nil)
        #expect(state.wake() == [])
        #expect(state.workerFreed() == [.claim(limit: 1)])
    }

    @Test("a failed claim is made again after a wait that grows, and wake-ups do not cut it short")
    func backoff() {
        var state = DispatcherState(workers: 2)
        _ = state.wake()
        #expect(state.claimFailed(isFinal: false) == [.backOff(failures: 1)])
        #expect(state.wake() == [])
        #expect(state.backoffEnded() == [.claim(limit: 2)])
        #expect(state.claimFailed(isFinal: false) == [.backOff(failures: 2)])
        #expect(state.backoffEnded() == [.claim(limit: 2)])
        _ = state.claimed(0, nextDue: nil)
        _ = state.wake()
        #expect(state.claimFailed(isFinal: false) == [.backOff(failures: 1)])
    }

    @Test("the timer is set once for the earliest retry, and claims when it fires")
    func timer() {
        var state = DispatcherState(workers: 1)
        #expect(state.expect(at: Self.time(50)) == [.setTimer(Self.time(50))])
        #expect(state.expect(at: Self.time(90)) == [])
        #expect(state.expect(at: Self.time(20)) == [.setTimer(Self.time(20))])
        #expect(state.timerFired(Self.time(50)) == [], "a timer that was replaced")
        #expect(state.timerFired(Self.time(20)) == [.claim(limit: 1)])
        #expect(state.claimed(0, nextDue: Self.time(50)) == [.setTimer(Self.time(50))])
        #expect(state.timerFired(Self.time(50)) == [.claim(limit: 1)])
    }

    @Test("a retry that is heard of during a claim is not lost, though the claim's answer does not know it")
    func retryDuringClaim() {
        var state = DispatcherState(workers: 1)
        _ = state.wake()
        #expect(state.expect(at: Self.time(30)) == [.setTimer(Self.time(30))])
        #expect(state.claimed(0, nextDue: Self.time(70)) == [], "the earlier one is set already")
        #expect(state.timerFired(Self.time(30)) == [.claim(limit: 1)])
    }

    @Test("a claim whose answer comes after the stop has its stages given back before the end")
    func stopDuringClaim() {
        var state = DispatcherState(workers: 2)
        _ = state.wake()
        #expect(state.stop() == [])
        #expect(state.claimed(2, nextDue: nil) == [])
        #expect(state.workerFreed() == [])
        #expect(state.wake() == [])
        #expect(state.workerFreed() == [.end])
    }

    @Test("an idle dispatcher ends at once when stopped, and so does one whose journal has ended")
    func ends() {
        var idle = DispatcherState(workers: 2)
        #expect(idle.stop() == [.end])
        #expect(idle.stop() == [])
        var dead = DispatcherState(workers: 2)
        _ = dead.wake()
        #expect(dead.claimFailed(isFinal: true) == [.end])
    }
}
