import Synchronization

/// Reserves the space that uploads and stages are going to use, so that they do not fill the disk
/// together. A thin shell around ``SpaceBudget``.
public final class SpaceGate: Sendable {
    private let budget: Mutex<SpaceBudget>
    private let free: @Sendable () throws(FileStoreError) -> Int64
    private let used: @Sendable () -> Int64

    /// An upload of unknown length reserves space in steps of so many bytes.
    public static let stepBytes: Int64 = 64 * 1024 * 1024

    /// - Parameters:
    ///   - free: the free bytes of the disk (``FileStore/freeBytes``). It is called for each
    ///     decision, and must not call the gate.
    ///   - used: the bytes of stored content. It is only used if the budget has a maximum.
    public init(
        _ budget: SpaceBudget, free: @escaping @Sendable () throws(FileStoreError) -> Int64,
        used: @escaping @Sendable () -> Int64
    ) {
        self.budget = Mutex(budget)
        self.free = free
        self.used = used
    }

    /// Reserves bytes, at least 0, until the reservation goes away.
    /// - Throws: ``SpaceRefusal``, or ``FileStoreError`` if the disk cannot be examined.
    public func reserve(_ bytes: Int64) throws -> SpaceReservation {
        try add(bytes)
        return SpaceReservation(bytes, at: self)
    }

    /// Whether the disk has fewer free bytes than the floor. Reservations do not count, because a
    /// client could reserve much and send little. Then no
    /// command and no remote stage is claimed (`waiting_for: disk`).
    public func isBelowFloor() throws(FileStoreError) -> Bool {
        let free = try free()
        return budget.withLock { free < $0.floor }
    }

    fileprivate func add(_ bytes: Int64) throws {
        precondition(bytes >= 0, "a reservation is not negative")
        let (free, used) = (try free(), used())
        let refusal = budget.withLock { budget in
            let refusal = budget.refusal(of: bytes, free: free, used: used)
            if refusal == nil { budget.reserve(bytes) }
            return refusal
        }
        if let refusal { throw refusal }
    }

    fileprivate func write(_ bytes: Int64) { budget.withLock { $0.write(bytes) } }

    fileprivate func release(_ bytes: Int64, written: Int64) {
        budget.withLock { $0.release(bytes, written: written) }
    }
}

/// Space that is reserved until this object goes away.
public final class SpaceReservation: Sendable {
    private let gate: SpaceGate
    private let state: Mutex<(bytes: Int64, written: Int64)>

    fileprivate init(_ bytes: Int64, at gate: SpaceGate) {
        self.gate = gate
        state = Mutex((bytes, 0))
    }

    deinit {
        let (bytes, written) = state.withLock { $0 }
        gate.release(bytes, written: written)
    }

    /// The reserved bytes.
    public var bytes: Int64 { state.withLock { $0.bytes } }

    /// Reserves more bytes. After an error the reservation is as it was.
    public func grow(by bytes: Int64) throws {
        try gate.add(bytes)
        state.withLock { $0.bytes += bytes }
    }

    /// Says that bytes were written, so that they are not counted twice: the disk no longer reports
    /// them as free. If they exceed the reservation, the rest is ignored; the writer should have
    /// called ``grow(by:)`` before.
    public func wrote(_ bytes: Int64) {
        let counted = state.withLock { state in
            let counted = max(0, min(bytes, state.bytes - state.written))
            state.written += counted
            return counted
        }
        gate.write(counted)
    }
}
