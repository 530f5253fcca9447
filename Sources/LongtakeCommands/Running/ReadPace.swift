/// Limits how fast the output of a program is read. It is a pure value. Between two reads the
/// output waits in the pipe, which then holds the program back.
struct ReadPace: Sendable {
    /// Shorter delays are not slept. They add up until the sum is long enough.
    static let shortestDelay: Duration = .milliseconds(5)

    private let bytesPerSecond: Int
    /// When the bytes that were read so far would have arrived at the allowed speed.
    private var free = Duration.zero

    init(bytesPerSecond: Int) { self.bytesPerSecond = bytesPerSecond }

    /// How long to wait after a read of some bytes.
    /// - Parameter elapsed: the time since any fixed moment.
    mutating func delay(after bytes: Int, at elapsed: Duration) -> Duration {
        free = max(free, elapsed) + .seconds(1) * (Double(bytes) / Double(bytesPerSecond))
        let delay = free - elapsed
        return delay < Self.shortestDelay ? .zero : delay
    }
}
