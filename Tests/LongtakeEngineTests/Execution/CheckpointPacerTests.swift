import LongtakeCore
import Testing

@testable import LongtakeEngine

@Suite("checkpoint pacer")
struct CheckpointPacerTests {
    @Test("stores a waiting checkpoint alone when its interval has passed since the last one")
    func alone() {
        var pacer = CheckpointPacer(interval: .seconds(10))
        #expect(!pacer.isDue(at: .seconds(60)))
        pacer.add(.integer(1))
        #expect(!pacer.isDue(at: .seconds(9)) && pacer.isDue(at: .seconds(10)))
        pacer.add(.integer(2))
        #expect(pacer.take(at: .seconds(12)) == .integer(2))
        #expect(!pacer.isWaiting && pacer.take(at: .seconds(99)) == nil)
        pacer.add(.integer(3))
        #expect(!pacer.isDue(at: .seconds(21)) && pacer.isDue(at: .seconds(22)))
    }

    @Test("keeps the newest of a checkpoint that failed and of one that came meanwhile")
    func putBack() {
        var pacer = CheckpointPacer()
        pacer.add(.integer(1))
        guard let first = pacer.take(at: .zero) else { return }
        pacer.putBack(first)
        #expect(pacer.take(at: .zero) == .integer(1))
        pacer.add(.integer(2))
        pacer.putBack(first)
        #expect(pacer.take(at: .zero) == .integer(2))
    }
}
