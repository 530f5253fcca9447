import LongtakeCore
import Testing

@testable import LongtakeStorage

@Suite("the scheduler of reads")
struct ReadSchedulerTests {
    private let a = TenantName(unchecked: "a")
    private let b = TenantName(unchecked: "b")

    @Test("runs as many reads as there are connections, and hands a free connection to the next tenant")
    func turns() {
        var reads = ReadScheduler<String>(width: 1, limit: 10)
        #expect(reads.admit("a1", of: a).text == "run")
        #expect(reads.admit("a2", of: a).text == "wait")
        #expect(reads.admit("b1", of: b).text == "wait")
        #expect(reads.running == 1 && reads.waiting == 2)
        #expect(reads.end(of: a) == "b1")
        #expect(reads.end(of: b) == "a2")
        #expect(reads.end(of: a) == nil && reads.isIdle)
    }

    @Test("when the queue is full, the newest read of the tenant with the most waiting reads is rejected")
    func limit() {
        var reads = ReadScheduler<String>(width: 1, limit: 3)
        for name in ["a1", "a2", "a3"] { _ = reads.admit(name, of: a) }
        #expect(reads.admit("a4", of: a).text == "reject overloaded")
        #expect(reads.admit("b1", of: b).text == "wait, displaced a3")
        #expect(reads.waiting == 2 && reads.running == 1)
        var unqueued = ReadScheduler<String>(width: 2, limit: 1)
        #expect(unqueued.admit("a1", of: a).text == "run")
        #expect(unqueued.admit("b1", of: b).text == "reject overloaded", "no read waits that could give way")
    }

    @Test("a read whose caller left does not run")
    func leaving() {
        var reads = ReadScheduler<String>(width: 1, limit: 3)
        for name in ["a1", "a2", "a3"] { _ = reads.admit(name, of: a) }
        reads.remove(of: a) { $0 == "a2" }
        #expect(reads.end(of: a) == "a3")
    }

    @Test("after close, reads that wait are returned and later ones are rejected")
    func closing() {
        var reads = ReadScheduler<String>(width: 1, limit: 3)
        for name in ["a1", "a2"] { _ = reads.admit(name, of: a) }
        #expect(reads.close() == ["a2"])
        #expect(reads.admit("b1", of: b).text == "reject closed")
        #expect(reads.end(of: a) == nil && reads.isIdle)
    }
}

extension ReadScheduler<String>.Admission {
    fileprivate var text: String {
        switch self {
        case .run: "run"
        case .wait(let displaced): "wait" + (displaced.map { ", displaced \($0)" } ?? "")
        case .reject(let error): "reject \(error)"
        }
    }
}
