import LongtakeCore
import Testing

@testable import LongtakeSQLite

@Suite("how long finished jobs are kept")
struct RetentionTests {
    private let noon = Timestamp(millisecondsSince1970: 1_795_176_000_000)
    private func later(_ seconds: Int) -> Timestamp { noon.advanced(by: .seconds(seconds)) }

    @Test("by age, a job is due exactly when its age reaches the limit")
    func age() {
        let retention = Retention(age: .seconds(3600), maxBytes: nil)
        #expect(retention.cutoff(at: later(3600), usedBytes: .max) == noon)
        #expect(retention.nextCheck(at: later(100), usedBytes: 0, oldest: noon) == later(3600))
    }

    @Test("above the limit, each job that finished a moment ago is due")
    func size() {
        let retention = Retention(age: nil, maxBytes: 1_000)
        #expect(retention.cutoff(at: later(10), usedBytes: 1_001) == noon)
        #expect(retention.cutoff(at: later(10), usedBytes: 1_000) == nil)
        #expect(retention.nextCheck(at: later(0), usedBytes: 1_001, oldest: later(5)) == later(15))
        #expect(retention.nextCheck(at: later(0), usedBytes: 1_000, oldest: later(5)) == nil)
    }

    @Test("the size limit only makes a job due earlier")
    func both() {
        let retention = Retention(age: .seconds(3600), maxBytes: 1_000)
        #expect(retention.cutoff(at: later(3600), usedBytes: 1_001) == later(3590))
        #expect(retention.nextCheck(at: later(0), usedBytes: 1_001, oldest: later(5)) == later(15))
        #expect(retention.nextCheck(at: later(0), usedBytes: 1_000, oldest: later(5)) == later(3605))
    }

    @Test("without both limits no job is ever due")
    func never() {
        let retention = Retention(age: nil, maxBytes: nil)
        #expect(retention.cutoff(at: noon, usedBytes: .max) == nil)
        #expect(retention.nextCheck(at: noon, usedBytes: .max, oldest: noon) == nil)
    }

    @Test("if no job has finished yet, none is due before one that finishes now")
    func nothingFinished() {
        let retention = Retention(age: .seconds(3600), maxBytes: nil)
        #expect(retention.nextCheck(at: noon, usedBytes: 0, oldest: nil) == later(3600))
    }

    @Test("jobs that become due in a row are removed together")
    func interval() {
        let retention = Retention(age: .seconds(3600), maxBytes: nil)
        #expect(retention.nextCheck(at: later(3599), usedBytes: 0, oldest: noon) == later(3609))
    }
}
