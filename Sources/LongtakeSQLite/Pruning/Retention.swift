import LongtakeCore

/// How long finished jobs are kept. Active ones always are.
public struct Retention: Hashable, Sendable {
    /// From a job's finish on; `nil` for ever.
    public var age: Duration?
    /// Above so many bytes of used pages the oldest finished jobs go early; `nil` for no bound.
    public var maxBytes: Int64?

    public init(age: Duration?, maxBytes: Int64?) {
        self.age = age
        self.maxBytes = maxBytes
    }

    func isExceeded(by usedBytes: Int64) -> Bool { maxBytes.map { usedBytes > $0 } ?? false }

    /// Jobs that finished then or earlier are to go; `nil` where none is.
    func cutoff(at time: Timestamp, usedBytes: Int64) -> Timestamp? {
        let byAge = age.map { time.advanced(by: .zero - $0) }
        let bySize =
            isExceeded(by: usedBytes) ? time.advanced(by: .zero - Limits.finishedJobStays) : nil
        return [byAge, bySize].compactMap { $0 }.max()
    }

    /// When the next job may be due, as far as is known now; `nil` where only growth can make one due.
    /// - Parameter oldest: the finish of the job that finished first. Without one, the next to finish finishes later than now.
    func nextLook(at time: Timestamp, usedBytes: Int64, oldest: Timestamp?) -> Timestamp? {
        let byAge = age.map { (oldest ?? time).advanced(by: $0) }
        let bySize =
            isExceeded(by: usedBytes) ? oldest?.advanced(by: Limits.finishedJobStays) : nil
        return [byAge, bySize].compactMap { $0 }.min().map { max($0, time.advanced(by: Limits.pruneInterval)) }
    }
}
