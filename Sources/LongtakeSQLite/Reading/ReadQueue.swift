import Dispatch
import GRDB
import GRDBSQLite
import LongtakeCore
import Synchronization

/// The way to the connections that read: short transactions, so many of them waiting, and nobody waiting for longer than
/// ``Limits/readPeriods``, whatever the disk does. GRDB's own queue has no bound of either kind.
final class ReadQueue: Sendable {
    private struct State {
        /// Reads that wait or run, also those that nobody waits for any more.
        var underWay = 0
        var isTicking = false
    }

    private let pool: DatabasePool
    /// The connections of reads that run, as the bits of their pointers, by ticket: `sqlite3_interrupt` is for any thread, as long as the connection
    /// is open (sqlite.org/c3ref/interrupt.html).
    private let running = Mutex<[Int: UInt]>([:])
    private let deadline = ReadDeadline()
    private let state = Mutex(State())
    private let most: Int
    private let period: Duration

    /// - Parameter most: how many may wait or run at once.
    init(pool: DatabasePool, most: Int = Limits.readsWaiting, period: Duration = Limits.readPeriod) {
        self.pool = pool
        self.most = most
        self.period = period
    }

    /// One read transaction.
    /// - Throws: ``JournalError/overloaded`` where too many wait, or this one has waited for too long.
    func read<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        try await deadline.wait(whenRefused: interrupt) { [self] ticket, caller in
            guard begin() else {
                if deadline.close(ticket) { caller.resume(throwing: JournalError.overloaded) }
                return
            }
            // By callback, which saves a change of thread for each read.
            pool.asyncRead { [self] connection in
                defer { end() }
                let result = Result {
                    try Self.run(connection) { db in
                        began(ticket, on: db)
                        defer { running.withLock { $0[ticket] = nil } }
                        // Whoever left while it waited for a connection costs no more.
                        guard deadline.isOpen(ticket) else { throw CancellationError() }
                        return try body(db)
                    }
                }
                if deadline.close(ticket) { caller.resume(with: result) }
            }
        }
    }

    private func began(_ ticket: Int, on db: Database) {
        let connection = UInt(bitPattern: db.sqliteConnection)
        running.withLock { $0[ticket] = connection }
    }

    /// Ends a read that nobody waits for any more, so that others get the connection. Under the lock, so that it is still that read.
    private func interrupt(_ ticket: Int) {
        running.withLock { running in
            guard let bits = running[ticket], let connection = OpaquePointer(bitPattern: bits) else { return }
            sqlite3_interrupt(connection)
        }
    }

    private static func run<Value>(
        _ connection: Result<Database, any Error>, _ body: (Database) throws -> Value
    ) throws -> Value {
        do {
            return try body(try connection.get())
        } catch let error as DatabaseError {
            throw JournalError.cannotPersist(CommitFailure.reason(error))
        }
    }

    private func begin() -> Bool {
        let (isTaken, isFirst) = state.withLock { state in
            guard state.underWay < most else { return (false, false) }
            state.underWay += 1
            defer { state.isTicking = true }
            return (true, !state.isTicking)
        }
        if isFirst { tickLater() }
        return isTaken
    }

    private func end() { state.withLock { $0.underWay -= 1 } }

    private func tickLater() {
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(Int(period / .milliseconds(1)))) {
            self.tick()
        }
    }

    /// A period has passed.
    func tick() {
        deadline.tick()
        let goesOn = state.withLock { state in
            state.isTicking = state.underWay > 0
            return state.isTicking
        }
        if goesOn { tickLater() }
    }
}
