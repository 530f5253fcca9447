import LongtakeCore
import Testing

@testable import LongtakeEngine

@Suite("The index of runs")
struct ExecutionIndexTests {
    private let claim = Work.claim()

    @Test("a cancel mark stops the run of its job")
    func cancel() {
        var index = ExecutionIndex<String>()
        #expect(index.begin(claim) { "run" } == "run")
        #expect(index.cancel(claim.job) == ["run"])
        index.end(claim)
        #expect(index.stopAll() == [])
    }

    @Test("a cancel mark that comes between the claim's commit and the run's beginning is not lost")
    func cancelBeforeRun() {
        var index = ExecutionIndex<String>()
        #expect(index.cancel(claim.job) == [])
        #expect(index.begin(claim) { "run" } == nil)
        index.end(claim)
        #expect(index.begin(Work.claim(fence: 2)) { "later" } == nil, "it holds until the final event")
    }

    /// Schedule 310717 of the simulation: the next stage ran on until it had something to report.
    @Test("a cancel mark that finds only the run of the stage before, which is over, is not lost")
    func cancelBetweenStages() {
        var index = ExecutionIndex<String>()
        #expect(index.begin(claim) { "first" } == "first")
        #expect(index.cancel(claim.job) == ["first"])
        index.end(claim)
        #expect(index.begin(Work.claim(fence: 2)) { "second" } == nil)
    }

    @Test("a mark is forgotten with the job's final event")
    func forget() {
        var index = ExecutionIndex<String>()
        _ = index.cancel(claim.job)
        index.forget(claim.job)
        #expect(index.marked.isEmpty)
    }

    @Test("after a drain has begun, what was claimed meanwhile does not begin")
    func drain() {
        var index = ExecutionIndex<String>()
        _ = index.begin(claim) { "run" }
        #expect(index.stopAll() == ["run"])
        #expect(index.begin(Work.claim(fence: 2)) { "other" } == nil)
    }
}
