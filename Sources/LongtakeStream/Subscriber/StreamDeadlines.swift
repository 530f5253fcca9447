import LongtakeAPI

/// When a stream has to do something by itself, in ticks of its loop's wheel: say that it lives, give up a reader that is stuck, end.
struct StreamDeadlines: Hashable, Sendable {
    /// What is due.
    enum Due: Hashable, Sendable {
        /// The appointment was an old one; the stream makes another where it needs one.
        case nothing
        case heartbeat
        /// The kernel took nothing for as long as a write may take.
        case giveUp
        case end(StreamEnd)
    }

    private let heartbeat: Int32
    private let writing: Int32
    /// Pieces that the kernel has not taken yet, and the tick of the last sign that it takes any.
    private var piecesUnderWay: Int32 = 0
    private var movedAt: Int
    private var wroteAt: Int
    private var probesAt = Int.max
    private var endsAt = Int.max
    private var endReason = StreamEnd.draining
    /// The appointment that stands with the wheel. Older ones may still be in it.
    private var scheduledAt = 0

    /// - Parameters:
    ///   - heartbeat: ticks without a write after which the stream says that it lives.
    ///   - writing: ticks in which the kernel must take a piece.
    init(now: Int, heartbeat: Int, writing: Int) {
        self.heartbeat = Int32(heartbeat)
        self.writing = Int32(writing)
        movedAt = now
        wroteAt = now
    }

    mutating func wrote(at now: Int) {
        wroteAt = now
        // Any write finds out whether the other side is gone.
        if now >= probesAt { probesAt = .max }
    }

    /// The stream says at this tick that it lives, whatever it wrote before.
    mutating func probe(at tick: Int) { probesAt = tick }

    /// So many pieces were not taken by the kernel at once.
    mutating func kernelRefused(_ pieces: Int = 1, at now: Int) {
        guard pieces > 0 else { return }
        if piecesUnderWay == 0 { movedAt = now }
        piecesUnderWay += Int32(pieces)
    }

    mutating func kernelTook(at now: Int) {
        piecesUnderWay -= 1
        movedAt = now
    }

    /// The stream ends at this tick; the last word on it counts.
    mutating func end(at tick: Int, _ reason: StreamEnd) { (endsAt, endReason) = (tick, reason) }

    /// The same, unless it ends earlier anyway.
    mutating func end(byTick tick: Int, _ reason: StreamEnd) {
        if tick < endsAt { end(at: tick, reason) }
    }

    /// What is due now that the wheel has called back.
    func due(at now: Int) -> Due {
        guard now == scheduledAt else { return .nothing }
        if piecesUnderWay > 0, now - movedAt >= writing { return .giveUp }
        if now >= endsAt { return .end(endReason) }
        return now - wroteAt >= heartbeat || now >= probesAt ? .heartbeat : .nothing
    }

    /// The tick at which the wheel is to call back; `nil` where an appointment stands that is early enough.
    mutating func appointment(at now: Int) -> Int? {
        var next = min(wroteAt + Int(heartbeat), probesAt, endsAt)
        if piecesUnderWay > 0 { next = min(next, movedAt + Int(writing)) }
        next = max(next, now + 1)
        guard next < scheduledAt || scheduledAt <= now else { return nil }
        scheduledAt = next
        return next
    }
}
