import LongtakeCore
import Testing

@testable import LongtakeSQLite

@Suite("how long finished jobs are kept")
struct RetentionTests {
    private let noon = Timestamp(millisecondsSince1970: 1_795_176_000_000)
    private func later(_ seconds: Int) -> Timestamp { noon.advanced(by: .seconds(seconds)) }

    @Test("by age, a job is due when it finished so long ago, and not a millisecond before")
    func age() {
        let retention = Retention(age: .seconds(3600), maxBytes: nil)
        #expect(retention.cutoff(at: later(3600), usedBytes: .max) == noon)
        #expect(retention.nextLook(at: later(100), usedBytes: 0, oldest: noon) == later(3600))
    }

    @Test("above the bound, whatever has been finished for a moment is due")
    func size() {
        let retention = Retention(age: nil, maxBytes: 1_000)
        #expect(retention.cutoff(at: later(10), usedBytes: 1_001) == noon)
        #expect(retention.cutoff(at: later(10), usedBytes: 1_000) == nil)
        #expect(retention.nextLook(at: later(0), usedBytes: 1_001, oldest: later(5)) == later(15))
        #expect(retention.nextLook(at: later(0), usedBytes: 1_000, oldest: later(5)) == nil)
    }

    @Test("the size only brings forward what the age would do")
    func both() {
        let retention = Retention(age: .seconds(3600), maxBytes: 1_000)
        #expect(retention.cutoff(at: later(3600), usedBytes: 1_001) == later(3590))
        #expect(retention.nextLook(at: later(0), usedBytes: 1_001, oldest: later(5)) == later(15))
        #expect(retention.nextLook(at: later(0), usedBytes: 1_000, oldest: later(5)) == later(3605))
    }

    @Test("without both nothing is ever due")
    func never() {
        let retention = Retention(age: nil, maxBytes: nil)
        #expect(retention.cutoff(at: noon, usedBytes: .max) == nil)
        #expect(retention.nextLook(at: noon, usedBytes: .max, oldest: noon) == nil)
    }

    @Test("where no job has finished yet, none is due before one that finishes now")
    func nothingFinished() {
        let retention = Retention(age: .seconds(3600), maxBytes: nil)
        #expect(retention.nextLook(at: noon, usedBytes: 0, oldest: nil) == later(3600))
    }

    @Test("jobs that become due in a row are removed together")
    func interval() {
        let retention = Retention(age: .seconds(3600), maxBytes: nil)
        #expect(retention.nextLook(at: later(3599), usedBytes: 0, oldest: noon) == later(3609))
    }
}
