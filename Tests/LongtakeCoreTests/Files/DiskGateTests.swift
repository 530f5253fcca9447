import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@Suite("the gate of a full disk")
struct DiskGateTests {
    @Test("closes only the queues of commands, and says once that it has closed or opened")
    func changes() {
        let changes = Seen<Bool>()
        let isBelow = Flag()
        let gate = DiskGate(
            queues: [Samples.cpu], isBelowFloor: { isBelow.value }, whenChanged: { changes.add($0) })
        #expect(gate.mayClaim(Samples.cpu) && !gate.isBelowFloor)
        isBelow.value = true
        for _ in 1...3 { #expect(!gate.mayClaim(Samples.cpu) && gate.isBelowFloor) }
        #expect(gate.mayClaim(Samples.gpu))
        isBelow.value = false
        #expect(gate.mayClaim(Samples.cpu))
        #expect(changes.list == [true, false])
        #expect(DiskGate.alwaysOpen.mayClaim(Samples.cpu) && !DiskGate.alwaysOpen.isBelowFloor)
    }

    @Test("is closed if the disk cannot be examined")
    func unreadable() {
        let gate = DiskGate(
            queues: [Samples.cpu], isBelowFloor: { () throws(FileStoreError) in throw .failed("no") })
        #expect(!gate.mayClaim(Samples.cpu) && gate.isBelowFloor)
    }

    @Test("is the reason of a job whose next stage waits on a closed queue, and of no other job")
    func reason() async throws {
        let journal = MemoryJournal(clock: ManualClock())
        let isBelow = Flag()
        isBelow.value = true
        let gate = DiskGate(queues: [Samples.cpu], isBelowFloor: { isBelow.value })
        let submission = Samples.submission(1)
        func reason() async throws -> WaitingReason? {
            gate.reason(for: try #require(try await journal.job(submission.id, of: .anonymous)))
        }
        _ = try await journal.submit(submission)
        #expect(try await reason() == .disk, "its first stage waits")
        isBelow.value = false
        #expect(try await reason() == nil, "the disk has space")
        isBelow.value = true
        let claim = try #require(
            try await journal.claim(queue: Samples.cpu, limit: 1, for: journal.holder).claims.first)
        #expect(try await reason() == nil, "a worker has the stage")
        _ = try await journal.finish(claim, with: .succeeded(output: nil))
        #expect(try await reason() == nil, "it waits on another queue")
        _ = try await journal.cancel(submission.id, of: .anonymous)
        #expect(try await reason() == nil, "it has ended")
    }
}

private final class Flag: Sendable {
    private let state = Mutex(false)

    var value: Bool {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
