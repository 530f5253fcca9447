import GRDB
import LongtakeCore
import LongtakeStorage
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeSQLite

@Suite("a command of the writer")
struct WriteCommandTests {
    /// The pruner must learn of a deletion even if its client got a 503. This test failed when the
    /// caller, and not the writer, notified the pruner after a success.
    @Test("runs whenDurable even if its caller already got the error `unanswered`")
    func unanswered() async throws {
        let queue = try DatabaseQueue()
        let ledger = try Self.ledger(queue)
        let done = Counter()
        let caller = FirstResult<Void>()
        let whenDurable: @Sendable () -> Void = { done.count.add(1, ordering: .relaxed) }
        let command = WriteCommand(.critical, deadline: .now, for: caller, whenDurable: whenDurable) { _, _ in }
        command.fail(JournalError.unanswered)
        try Self.run(command, ledger, queue)
        await #expect(throws: JournalError.unanswered) { try await caller.value() }
        #expect(done.count.load(ordering: .relaxed) == 1)
        ledger.close()
    }

    private static func run(_ command: WriteCommand, _ ledger: JobLedger, _ queue: DatabaseQueue) throws {
        try queue.write { try command.run(ledger, $0)() }
    }

    private static func ledger(_ queue: DatabaseQueue) throws -> JobLedger {
        try Schema.migrator.migrate(queue)
        return try queue.writeWithoutTransaction {
            try JobLedger(epoch: Epoch(rawValue: 1), clock: ManualClock(), $0)
        }
    }

    private final class Counter: Sendable {
        let count = Atomic(0)
    }
}
