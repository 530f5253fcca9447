import NIOCore

/// How fast the body of an upload must arrive: 64 KiB in each 10 seconds, in which the last part
/// may be smaller. The whole may take as long as it likes. It is a pure value.
///
/// The time in which the daemon does not read, or has not asked for the body, does not count.
struct UploadPace: Hashable, Sendable {
    static let bytesPerInterval = 64 * 1024
    static let interval = TimeAmount.seconds(10)

    /// The bytes since the interval began.
    private var bytes = 0
    /// When the interval ends; `nil` while the clock is stopped.
    private(set) var deadline: NIODeadline?

    /// Begins an interval, if none runs.
    mutating func run(at now: NIODeadline) {
        guard deadline == nil else { return }
        (bytes, deadline) = (0, now + Self.interval)
    }

    mutating func pause() { deadline = nil }

    /// Bytes of the body have arrived.
    mutating func received(_ count: Int, at now: NIODeadline) {
        bytes += count
        guard deadline != nil, bytes >= Self.bytesPerInterval else { return }
        (bytes, deadline) = (0, now + Self.interval)
    }
}
