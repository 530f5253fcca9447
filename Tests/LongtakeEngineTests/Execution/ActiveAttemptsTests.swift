import LongtakeCore
import Testing

@testable import LongtakeEngine

@Suite("active attempts")
struct ActiveAttemptsTests {
    private let claim = Work.claim()

    @Test("a cancel request stops the attempts of its job")
    func cancel() {
        var index = AttemptIndex<String>()
        #expect(index.begin(claim) { "attempt" } == "attempt")
        #expect(index.cancel(claim.job) == ["attempt"])
        index.end(claim)
        #expect(index.stopAll() == [])
    }

    @Test("a cancel request between the claim's commit and the attempt prevents the attempt")
    func cancelBeforeRun() {
        var index = AttemptIndex<String>()
        #expect(index.cancel(claim.job) == [])
        #expect(index.begin(claim) { "attempt" } == nil)
        index.end(claim)
        #expect(index.begin(Work.claim(fence: 2)) { "later" } == nil, "the request holds until the final event")
    }

    /// Found by schedule 310717 of the simulation: the next stage ran until its first report.
    @Test("a cancel request that finds only the finished attempt of the previous stage stops the next stage")
    func cancelBetweenStages() {
        var index = AttemptIndex<String>()
        #expect(index.begin(claim) { "first" } == "first")
        #expect(index.cancel(claim.job) == ["first"])
        index.end(claim)
        #expect(index.begin(Work.claim(fence: 2)) { "second" } == nil)
    }

    @Test("the final event of a job removes its cancel request")
    func forget() {
        var index = AttemptIndex<String>()
        _ = index.cancel(claim.job)
        index.forget(claim.job)
        #expect(index.canceling.isEmpty)
    }

    @Test("a stage that was claimed before a drain does not begin during it")
    func drain() {
        var index = AttemptIndex<String>()
        _ = index.begin(claim) { "attempt" }
        #expect(index.stopAll() == ["attempt"])
        #expect(index.begin(Work.claim(fence: 2)) { "other" } == nil)
    }
}
