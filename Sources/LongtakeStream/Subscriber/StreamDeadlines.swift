import LongtakeAPI

/// The deadlines of a stream in ticks of its loop's wheel: the next heartbeat, the write timeout,
/// the end.
struct StreamDeadlines: Hashable, Sendable {
    /// What is due.
    enum Due: Hashable, Sendable {
        /// Nothing: the callback is outdated. The stream asks for another one.
        case nothing
        case heartbeat
        /// The kernel has taken nothing for the whole write timeout.
        case writeTimeout
        case end(StreamEnd)
    }

    private let heartbeat: Int32
    private let writeTimeout: Int32
    /// The pieces that the kernel has not taken yet.
    private var pendingPieces: Int32 = 0
    /// The tick at which the kernel last took a piece.
    private var progressAt: Int
    private var wroteAt: Int
    private var probesAt = Int.max
    private var endsAt = Int.max
    private var endReason = StreamEnd.draining
    /// The tick of the valid callback. The wheel may contain older ones.
    private var scheduledAt = 0

    /// - Parameters:
    ///   - heartbeat: the ticks without a write after which a heartbeat is due.
    ///   - writeTimeout: the ticks in which the kernel must take a piece.
    init(now: Int, heartbeat: Int, writeTimeout: Int) {
        self.heartbeat = Int32(heartbeat)
        self.writeTimeout = Int32(writeTimeout)
        progressAt = now
        wroteAt = now
    }

    mutating func wrote(at now: Int) {
        wroteAt = now
        // Every write detects a closed connection, so it serves as the probe.
        if now >= probesAt { probesAt = .max }
    }

    /// A heartbeat is due at this tick, even if the stream writes before it.
    mutating func probe(at tick: Int) { probesAt = tick }

    /// The kernel did not take these pieces at once.
    mutating func piecesQueued(_ pieces: Int = 1, at now: Int) {
        guard pieces > 0 else { return }
        if pendingPieces == 0 { progressAt = now }
        pendingPieces += Int32(pieces)
    }

    mutating func pieceWritten(at now: Int) {
        pendingPieces -= 1
        progressAt = now
    }

    /// Ends the stream at this tick. A later call replaces an earlier one.
    mutating func end(at tick: Int, _ reason: StreamEnd) { (endsAt, endReason) = (tick, reason) }

    /// Ends the stream at this tick, unless it ends earlier anyway.
    mutating func end(byTick tick: Int, _ reason: StreamEnd) {
        if tick < endsAt { end(at: tick, reason) }
    }

    /// What is due when the wheel calls back.
    func due(at now: Int) -> Due {
        guard now == scheduledAt else { return .nothing }
        if pendingPieces > 0, now - progressAt >= writeTimeout { return .writeTimeout }
        if now >= endsAt { return .end(endReason) }
        return now - wroteAt >= heartbeat || now >= probesAt ? .heartbeat : .nothing
    }

    /// The tick of the next callback; `nil` if an earlier one is already scheduled.
    mutating func nextCallback(at now: Int) -> Int? {
        var next = min(wroteAt + Int(heartbeat), probesAt, endsAt)
        if pendingPieces > 0 { next = min(next, progressAt + Int(writeTimeout)) }
        next = max(next, now + 1)
        guard next < scheduledAt || scheduledAt <= now else { return nil }
        scheduledAt = next
        return next
    }
}
