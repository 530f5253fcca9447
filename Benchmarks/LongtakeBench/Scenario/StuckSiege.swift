/// What is seen of stuck readers from outside, look by look, until the server has closed them all.
struct StuckSiege: Sendable {
    /// The readers' addresses, as ``SocketTable`` names them.
    let readers: [String]
    /// How late the others' events came meanwhile.
    var latencies = LatencyHistogram()
    private(set) var peak: MemoryReading
    /// The most that the kernel held unsent for all of them at one time.
    private(set) var queuedBytesMost = 0
    private var states: [State]

    /// A connection that the server has not accepted yet looks like one that it has closed: only one that was stuck can be cut off.
    private enum State {
        case connected
        /// The server had it open, with bytes that the reader did not take.
        case stuck
        /// It was stuck, and the server closed it so many seconds after it connected.
        case cutOff(Double)
        /// It is gone, and was never seen to be stuck.
        case lost
    }

    init(_ readers: [String], memory: MemoryReading) {
        self.readers = readers
        peak = memory
        states = readers.map { _ in .connected }
    }

    /// - Parameter elapsed: seconds since the readers connected.
    mutating func look(_ ends: [String: SocketTable.Entry], _ memory: MemoryReading, after elapsed: Double) {
        peak = peak.most(memory)
        queuedBytesMost = max(queuedBytesMost, readers.reduce(0) { $0 + (ends[$1]?.unsentBytes ?? 0) })
        for (index, reader) in readers.enumerated() {
            let end = ends[reader]
            switch states[index] {
            case .connected:
                if let end {
                    if end.isOwned, end.unsentBytes > 0 { states[index] = .stuck }
                } else {
                    states[index] = .lost
                }
            case .stuck: if end?.isOwned != true { states[index] = .cutOff(elapsed) }
            case .cutOff, .lost: break
            }
        }
    }

    /// Whether none of them has a connection left that could be cut off.
    var isOver: Bool {
        states.allSatisfy { state in
            switch state {
            case .connected, .stuck: false
            case .cutOff, .lost: true
            }
        }
    }

    /// From the connection to the close, of the reader that lasted longest, to half a second; `nil` unless all were cut off.
    var cutOffSeconds: Double? {
        let closes = states.compactMap { state -> Double? in
            if case .cutOff(let seconds) = state { seconds } else { nil }
        }
        return closes.count == states.count ? closes.max() : nil
    }

    var faults: [String] {
        var (lasting, neverStuck) = (0, 0)
        for state in states {
            switch state {
            case .connected, .lost: neverStuck += 1
            case .stuck: lasting += 1
            case .cutOff: break
            }
        }
        return (neverStuck > 0 ? ["\(neverStuck) readers were never stuck"] : [])
            + (lasting > 0 ? ["\(lasting) stuck readers were not cut off"] : [])
    }
}
