/// What is seen of stuck readers from outside, look by look, until the server has closed them all.
struct StuckSiege: Sendable {
    let readers: [StuckReader]
    /// How late the others' events came meanwhile.
    var latencies = LatencyHistogram()
    private(set) var peak: MemoryReading
    /// The most that the kernel held unsent for all of them at one time.
    private(set) var queuedBytesMost = 0
    /// When each was closed, in seconds since it connected.
    private var closes: [Double?]

    init(_ readers: [StuckReader], memory: MemoryReading) {
        self.readers = readers
        peak = memory
        closes = readers.map { _ in nil }
    }

    /// - Parameter elapsed: seconds since the readers connected.
    mutating func look(_ ends: [String: SocketTable.Entry], _ memory: MemoryReading, after elapsed: Double) {
        peak = peak.most(memory)
        queuedBytesMost = max(queuedBytesMost, readers.reduce(0) { $0 + (ends[$1.name]?.unsentBytes ?? 0) })
        for index in closes.indices where closes[index] == nil {
            if ends[readers[index].name]?.isOwned != true { closes[index] = elapsed }
        }
    }

    /// Whether the server has closed them all.
    var isOver: Bool { closes.allSatisfy { $0 != nil } }

    /// From the connection to the close, of the reader that lasted longest, to half a second.
    var cutOffSeconds: Double? { isOver ? closes.compactMap(\.self).max() : nil }
}
