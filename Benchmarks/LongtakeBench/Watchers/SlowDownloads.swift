import Glibc

/// Many clients that download one file slowly, at the same time.
struct SlowDownloads: Sendable {
    let clients: Int
    let seconds: Double

    struct Outcome: Sendable {
        /// The sum of what the clients have taken.
        var bytes = 0
        /// Clients that the server disconnected, and clients that got nothing.
        var (cut, unserved) = (0, 0)
        var descriptors = 0
    }

    /// Each client takes this much each ``pauseMicroseconds``.
    private static let takenBytes = 1_024
    private static let pauseMicroseconds: UInt32 = 100_000
    /// The kernel doubles this number. A larger buffer would hold much of the file at once.
    private static let receiveBufferBytes: CInt = 8_192

    /// Blocks its thread for ``seconds``, and then closes all connections.
    /// - Parameter process: the server's process, whose descriptors are counted at the end.
    func run(_ path: String, port: Int, process: pid_t?) throws -> Outcome {
        try DescriptorLimit.check(sockets: clients)
        let transfers = try (0..<clients).map { _ in
            let transfer = try FileTransfer(port: port, receiveBuffer: Self.receiveBufferBytes)
            try transfer.request(path)
            return transfer
        }
        var (taken, isCut) = (Array(repeating: 0, count: clients), Array(repeating: false, count: clients))
        let end = ContinuousClock.now + .seconds(seconds)
        while .now < end {
            for (index, transfer) in transfers.enumerated() where !isCut[index] {
                if let count = transfer.take(Self.takenBytes) { taken[index] += count } else { isCut[index] = true }
            }
            // The pace of the clients.
            usleep(Self.pauseMicroseconds)
        }
        let descriptors = process.map(ProcessTable.descriptors) ?? 0
        return withExtendedLifetime(transfers) {
            Outcome(
                bytes: taken.reduce(0, +), cut: isCut.count { $0 }, unserved: taken.count { $0 == 0 },
                descriptors: descriptors)
        }
    }
}
