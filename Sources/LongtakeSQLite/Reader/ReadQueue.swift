import Dispatch
import GRDB
import GRDBSQLite
import LongtakeCore
import LongtakeStorage
import Synchronization

/// The queue of all database reads. It schedules them fairly by tenant (``ReadScheduler``), and
/// limits the queue's length and each read's waiting time (``Limits/readPeriods``). GRDB's own
/// queue does none of this.
final class ReadQueue: Sendable {
    /// A read that runs or waits.
    private struct Read: Sendable {
        /// The id of the wait in ``ReadDeadline``.
        let waitID: Int
        let tenant: TenantName?
        /// Reads, and answers the caller.
        let run: @Sendable (Result<Database, any Error>) -> Void
    }

    private struct State {
        var scheduler: ReadScheduler<Read>
        /// The connections of running reads, as the bits of their pointers, by wait id.
        var connections: [Int: UInt] = [:]
        var isTicking = false
        /// The caller of ``close(within:)``, until no read runs.
        var whenIdle: CheckedContinuation<Bool, Never>?

        /// Call this only while holding the lock. Otherwise the connection may already run another
        /// read. Any thread may call `sqlite3_interrupt` while the connection is open
        /// (sqlite.org/c3ref/interrupt.html).
        func interrupt(_ bits: UInt) {
            if let connection = OpaquePointer(bitPattern: bits) { sqlite3_interrupt(connection) }
        }
    }

    private let pool: DatabasePool
    private let deadline = ReadDeadline()
    private let state: Mutex<State>
    private let period: Duration

    /// The interval between interrupts while closing. An interrupt before the statement starts has
    /// no effect, so `close` repeats it.
    private static let interruptMilliseconds = 10

    /// - Parameters:
    ///   - width: how many reads run at once, which is the number of connections in the pool.
    ///   - most: how many reads run or wait.
    init(
        pool: DatabasePool, width: Int, most: Int = StorageLimits.readsWaiting, period: Duration = Limits.readPeriod
    ) {
        self.pool = pool
        self.period = period
        state = Mutex(State(scheduler: ReadScheduler(width: width, limit: most)))
    }

    /// The number of reads that wait for a connection.
    var waiting: Int { state.withLock { $0.scheduler.waiting } }

    /// Runs one read transaction.
    /// - Parameter tenant: the tenant whose turn it takes; `nil` for the daemon's own reads.
    /// - Throws: ``JournalError/overloaded`` if too many reads wait or this one has waited too
    ///   long; ``JournalError/closed`` after ``close(within:)``.
    func read<Value: Sendable>(
        for tenant: TenantName?, _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        let cancelled: @Sendable (Int) -> Void = { [self] in cancel($0, tenant) }
        return try await deadline.wait(whenFailed: cancelled) { [self] id, caller in
            let read = Read(waitID: id, tenant: tenant) { [self] connection in
                let result = Result {
                    try Self.run(connection) { db in
                        began(id, on: db)
                        // If the caller was cancelled or timed out while waiting for a connection,
                        // skip the query.
                        guard deadline.isWaiting(id) else { throw CancellationError() }
                        return try body(db)
                    }
                }
                if deadline.end(id) { caller.resume(with: result) }
            }
            admit(read)
        }
    }

    /// Ends all reads. It rejects new and waiting reads, interrupts the running ones, and waits for
    /// their end.
    /// - Parameter patience: how long it waits at most.
    /// - Returns: whether no read runs any more. If one still runs, the connections must stay open.
    func close(within patience: Duration) async -> Bool {
        state.withLock { state in
            // Their callers get their errors below.
            _ = state.scheduler.close()
        }
        deadline.failAll(with: JournalError.closed)
        let end = DispatchTime.now() + .milliseconds(Int(patience / .milliseconds(1)))
        return await withCheckedContinuation { caller in
            let isIdle = state.withLock { state in
                if state.scheduler.running > 0 { state.whenIdle = caller }
                return state.scheduler.running == 0
            }
            if isIdle { caller.resume(returning: true) } else { interruptAll(until: end) }
        }
    }

    // MARK: Scheduling

    private func admit(_ read: Read) {
        let (admission, startsTicking) = state.withLock { state in
            let admission = state.scheduler.admit(read, of: read.tenant)
            let startsTicking = !state.isTicking && !state.scheduler.isIdle
            if startsTicking { state.isTicking = true }
            return (admission, startsTicking)
        }
        switch admission {
        case .run: start(read)
        case .wait(let displaced): displaced?.run(.failure(JournalError.overloaded))
        case .reject(let error): read.run(.failure(error))
        }
        if startsTicking { tickLater() }
    }

    /// Runs a read. When it ends, the next queued read runs on the same connection. A new pool call
    /// for each would cost two thread switches.
    private func start(_ first: Read) {
        pool.asyncRead { [self] connection in
            var (read, connection) = (first, connection)
            while true {
                read.run(connection)
                guard let next = ended(read) else { return }
                connection = Self.renew(connection)
                // An error of this connection need not occur for the next read.
                if case .failure = connection { return start(next) }
                read = next
            }
        }
    }

    /// Ends the transaction of one read and begins that of the next, which must see all commits
    /// until then.
    private static func renew(_ connection: Result<Database, any Error>) -> Result<Database, any Error> {
        connection.flatMap { db in
            Result {
                if db.isInsideTransaction { try db.commit() }
                try db.beginTransaction(.deferred)
                return db
            }
        }
    }

    private func began(_ id: Int, on db: Database) {
        let connection = UInt(bitPattern: db.sqliteConnection)
        state.withLock { $0.connections[id] = connection }
    }

    /// - Returns: the read that takes its connection.
    private func ended(_ read: Read) -> Read? {
        let (next, whenIdle) = state.withLock { state -> (Read?, CheckedContinuation<Bool, Never>?) in
            state.connections[read.waitID] = nil
            let next = state.scheduler.end(of: read.tenant)
            guard state.scheduler.running == 0 else { return (next, nil) }
            defer { state.whenIdle = nil }
            return (next, state.whenIdle)
        }
        whenIdle?.resume(returning: true)
        return next
    }

    /// If a caller stops waiting, its read is removed from the queue or interrupted. This frees the
    /// connection for other reads.
    private func cancel(_ id: Int, _ tenant: TenantName?) {
        state.withLock { state in
            if let connection = state.connections[id] {
                state.interrupt(connection)
            } else {
                state.scheduler.remove(of: tenant) { $0.waitID == id }
            }
        }
    }

    private func interruptAll(until end: DispatchTime) {
        let caller = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            for connection in state.connections.values { state.interrupt(connection) }
            guard .now() >= end else { return nil }
            defer { state.whenIdle = nil }
            return state.whenIdle
        }
        caller?.resume(returning: false)
        guard state.withLock({ $0.whenIdle != nil }) else { return }
        DispatchQueue.global().asyncAfter(deadline: min(end, .now() + .milliseconds(Self.interruptMilliseconds))) {
            self.interruptAll(until: end)
        }
    }

    private static func run<Value>(
        _ connection: Result<Database, any Error>, _ body: (Database) throws -> Value
    ) throws -> Value {
        do {
            return try body(try connection.get())
        } catch let error as DatabaseError {
            throw JournalError.cannotRead(CommitFailure.reason(error))
        }
    }

    // MARK: Time

    private func tickLater() {
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(Int(period / .milliseconds(1)))) {
            self.tick()
        }
    }

    /// A period has passed.
    func tick() {
        deadline.tick()
        let goesOn = state.withLock { state in
            state.isTicking = !state.scheduler.isIdle
            return state.isTicking
        }
        if goesOn { tickLater() }
    }
}
