import GRDB
public import LongtakeCore

/// The clock of a database. Its steady time continues where the last boot left it. Only the time
/// between two boots comes from the wall clock.
///
/// Retention counts from stored steady times. If each boot used its own wall clock, a clock that
/// was wrong at one start and corrected later would make the jobs of that boot look years old.
public struct ContinuedClock: WallClock {
    private let clock: any WallClock
    /// Added to the steady time of this boot.
    private let shift: Duration

    fileprivate init(_ clock: any WallClock, shift: Duration) {
        self.clock = clock
        self.shift = shift
    }

    /// The wall clock of the machine.
    public func now() -> Timestamp { clock.now() }

    /// Milliseconds that never go back, within a boot and from one boot to the next.
    public func steady() -> Timestamp { clock.steady().advanced(by: shift) }
}

/// The stored steady time: its distance from the wall clock, and its last value.
///
/// A transaction writes it if the distance has changed by more than a second, or if an hour has
/// passed.
struct SteadyRecord {
    private var offset: Int64
    private var reached: Int64
    /// The present transaction has written these.
    private var pending: (offset: Int64, reached: Int64)?

    private static let tolerance: Int64 = 1_000
    private static let interval: Int64 = 3_600_000

    private static let query = "SELECT CAST(value AS INTEGER) FROM meta WHERE name = ?"

    /// - Returns: the record, and the clock that continues from it. A database without a record has
    ///   stored wall times.
    static func load(_ clock: any WallClock, _ db: Database) throws -> (record: SteadyRecord, clock: ContinuedClock) {
        let offset = try Int64.fetchOne(db, sql: query, arguments: ["steady_offset"]) ?? 0
        let reached = try Int64.fetchOne(db, sql: query, arguments: ["steady_reached"]) ?? 0
        let moment = clock.reading()
        // A wrong wall clock at this start must not set the steady time back.
        let begin = max(moment.time.millisecondsSince1970 + offset, reached)
        let shift = Duration.milliseconds(begin - moment.steady.millisecondsSince1970)
        return (SteadyRecord(offset: offset, reached: reached), ContinuedClock(clock, shift: shift))
    }

    private init(offset: Int64, reached: Int64) {
        self.offset = offset
        self.reached = reached
    }

    /// Writes the record if it has changed, within a transaction.
    mutating func save(_ moment: ClockReading, _ db: Database) throws {
        let steady = moment.steady.millisecondsSince1970
        let now = steady - moment.time.millisecondsSince1970
        guard abs(now - offset) > Self.tolerance || steady - reached > Self.interval else { return }
        for (name, value) in [("steady_offset", now), ("steady_reached", steady)] {
            try db.execute(
                sql: """
                    INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value
                    """, arguments: [name, String(value)])
        }
        pending = (now, steady)
    }

    /// The transaction was committed.
    mutating func keep() {
        if let pending { (offset, reached) = pending }
        pending = nil
    }

    /// The transaction was rolled back.
    mutating func undo() { pending = nil }
}
