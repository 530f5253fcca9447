import LongtakeCore
import Testing

@testable import LongtakeEngine

@Suite("dispatcher state")
struct DispatcherStateTests {
    private static func time(_ milliseconds: Int64) -> Timestamp { Timestamp(millisecondsSince1970: milliseconds) }

    @Test("a wake-up claims for all free workers, and at most one claim is in progress")
    func oneClaimAtATime() {
        var state = DispatcherState(workers: 4)
        #expect(state.wake() == [.claim(limit: 4)])
        #expect(state.wake() == [])
    }

    @Test("a wake-up during a claim causes another claim, even if the first one returned nothing")
    func wakeDuringClaim() {
        var state = DispatcherState(workers: 4)
        _ = state.wake()
        _ = state.wake()
        #expect(state.claimed(0, nextDue: nil) == [.claim(limit: 4)])
    }

    @Test("after a claim that returned fewer stages than requested, waits for a wake-up")
    func emptyQueue() {
        var state = DispatcherState(workers: 4)
        _ = state.wake()
        #expect(state.claimed(3, nextDue: nil) == [])
        #expect(state.workerFreed() == [])
        #expect(state.wake() == [.claim(limit: 2)])
    }

    @Test("after a claim that returned all requested stages, claims again when a worker is free")
    func fullClaim() {
        var state = DispatcherState(workers: 2)
        _ = state.wake()
        #expect(state.claimed(2, nextDue: nil) == [])
        #expect(state.workerFreed() == [.claim(limit: 1)])
    }

    @Test("uses several claims for more workers than one claim may serve")
    func bigPool() {
        var state = DispatcherState(workers: EngineLimits.stagesPerClaim + 10)
        #expect(state.wake() == [.claim(limit: EngineLimits.stagesPerClaim)])
        #expect(state.claimed(EngineLimits.stagesPerClaim, nextDue: nil) == [.claim(limit: 10)])
    }

    @Test("a wake-up while all workers are busy causes a claim when one is free")
    func wakeWhileBusy() {
        var state = DispatcherState(workers: 1)
        _ = state.wake()
        _ = state.claimed(1, nextDue: nil)
        #expect(state.wake() == [])
        #expect(state.workerFreed() == [.claim(limit: 1)])
    }

    @Test("retries a failed claim with a growing backoff, which wake-ups do not shorten")
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

    @Test("sets one timer for the earliest retry, and claims when it fires")
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

    @Test("remembers a retry that was announced during a claim, even if the claim's result does not include it")
    func retryDuringClaim() {
        var state = DispatcherState(workers: 1)
        _ = state.wake()
        #expect(state.expect(at: Self.time(30)) == [.setTimer(Self.time(30))])
        #expect(state.claimed(0, nextDue: Self.time(70)) == [], "the earlier timer is already set")
        #expect(state.timerFired(Self.time(30)) == [.claim(limit: 1)])
    }

    @Test("releases the stages of a claim that returns after the stop, and then ends")
    func stopDuringClaim() {
        var state = DispatcherState(workers: 2)
        _ = state.wake()
        #expect(state.stop() == [])
        #expect(state.claimed(2, nextDue: nil) == [])
        #expect(state.workerFreed() == [])
        #expect(state.wake() == [])
        #expect(state.workerFreed() == [.end])
    }

    @Test("ends at once if it is idle at the stop or if the journal is closed")
    func ends() {
        var idle = DispatcherState(workers: 2)
        #expect(idle.stop() == [.end])
        #expect(idle.stop() == [])
        var dead = DispatcherState(workers: 2)
        _ = dead.wake()
        #expect(dead.claimFailed(isFinal: true) == [.end])
    }
}
