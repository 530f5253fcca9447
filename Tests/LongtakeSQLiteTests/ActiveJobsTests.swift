import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("the cache of active jobs")
struct ActiveJobsTests {
    private func job(_ number: Int) -> ActiveJob {
        let submission = Samples.submission(number)
        let machine = JobStateMachine(pipeline: submission.pipeline)
        return ActiveJob(
            key: Int64(number),
            facts: JobFacts(
                id: submission.id, tenant: .anonymous, priority: .normal,
                pipeline: submission.pipeline, life: machine.submit(priority: .normal).life,
                head: EventSequence(rawValue: 1), lastAt: Timestamp(millisecondsSince1970: 0)))
    }

    /// This test failed when a full cache started empty again: all jobs were gone at once.
    @Test("when the cache is full, a new job evicts one that is not in use")
    func secondChance() {
        var cache = ActiveJobs(most: 4)
        for number in 1...4 { cache.keep(job(number)) }
        for number in [1, 3] { #expect(cache.find(job(number).id) != nil) }
        cache.keep(job(5))
        #expect(cache.count == 4)
        #expect((1...5).filter { cache.contains(job($0).id) } == [1, 3, 4, 5])
        cache.keep(job(6))
        #expect((1...6).filter { cache.contains(job($0).id) } == [1, 3, 5, 6], "4 was not used either")
        for number in 7...20 { cache.keep(job(number)) }
        #expect(cache.count == 4)
    }

    @Test("a free slot is used before a job is evicted, and a job that is kept again replaces its old value")
    func places() {
        var cache = ActiveJobs(most: 2)
        cache.keep(job(1))
        cache.keep(job(2))
        cache.remove(job(1).id)
        cache.remove(job(1).id)
        cache.keep(job(3))
        var again = job(2)
        again.facts.head = EventSequence(rawValue: 7)
        cache.keep(again)
        #expect(cache.count == 2)
        #expect(cache.find(job(2).id)?.facts.head == EventSequence(rawValue: 7))
        cache.removeAll()
        #expect(cache.count == 0)
        #expect(cache.find(job(2).id) == nil)
        cache.keep(job(4))
        #expect(cache.count == 1)
    }
}
