import LongtakeCore
import Synchronization
import Testing

@Suite("space for files")
struct SpaceGateTests {
    @Test("keeps the floor free of all that is reserved and not yet written")
    func floor() {
        var budget = SpaceBudget(floor: 100, maximum: 0)
        #expect(budget.refusal(of: 50, free: 150, used: 0) == nil)
        #expect(budget.refusal(of: 51, free: 150, used: 0) == .disk)
        budget.reserve(50)
        #expect(budget.refusal(of: 1, free: 150, used: 0) == .disk)
        budget.write(20)
        #expect(budget.refusal(of: 0, free: 130, used: 0) == nil)
        #expect(budget.refusal(of: 1, free: 130, used: 0) == .disk)
        budget.release(50, written: 20)
        #expect(budget.refusal(of: 30, free: 130, used: 0) == nil)
        #expect(budget.refusal(of: .max, free: 130, used: 0) == .disk)
    }

    @Test("counts whole reservations against the maximum; 0 is no maximum")
    func maximum() {
        var budget = SpaceBudget(floor: 0, maximum: 1000)
        budget.reserve(300)
        budget.write(300)
        #expect(budget.refusal(of: 100, free: 10_000, used: 600) == nil)
        #expect(budget.refusal(of: 101, free: 10_000, used: 600) == .maximum)
        #expect(SpaceBudget(floor: 0, maximum: 0).refusal(of: 10_000, free: 10_000, used: .max) == nil)
    }

    @Test("returns the bytes of a reservation that goes away, also if it was written or has grown")
    func reservations() throws {
        let free = Mutex<Int64>(1000)
        let gate = SpaceGate(
            SpaceBudget(floor: 100, maximum: 2000), free: { () throws(FileStoreError) in free.withLock { $0 } },
            used: { 0 })
        do {
            let first = try gate.reserve(500)
            #expect(throws: SpaceRefusal.disk) { try gate.reserve(401) }
            try first.grow(by: 400)
            #expect(first.bytes == 900)
            #expect(throws: SpaceRefusal.disk) { try first.grow(by: 1) }
            #expect(first.bytes == 900)
            first.wrote(600)
            free.withLock { $0 = 400 }
            #expect(try !gate.isBelowFloor())
            first.wrote(9999)
            free.withLock { $0 = 99 }
            #expect(try gate.isBelowFloor())
        }
        free.withLock { $0 = 10_000 }
        _ = try gate.reserve(2000)
        #expect(throws: SpaceRefusal.maximum) { try gate.reserve(2001) }
    }

    @Test("reserves nothing if the disk cannot be examined")
    func unreadable() {
        let gate = SpaceGate(
            SpaceBudget(floor: 0, maximum: 0), free: { () throws(FileStoreError) in throw .failed("no") },
            used: { 0 })
        #expect(throws: FileStoreError.failed("no")) { try gate.reserve(1) }
    }
}
