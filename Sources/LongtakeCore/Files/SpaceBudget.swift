/// Decides whether further bytes may be stored: the pure part of ``SpaceGate``.
///
/// A reservation has a size and what was written of it. What is written already lacks in the free
/// bytes of the disk, so only the rest of a reservation counts there. Against the maximum the whole
/// reservation counts until it is released, because unfinished files are not in the used bytes.
public struct SpaceBudget: Hashable, Sendable {
    /// `storage.min_free_gigabytes` in bytes: so many bytes stay free on the disk.
    public let floor: Int64
    /// `storage.files_max_gigabytes` in bytes; `nil` for no limit but the floor.
    public let maximum: Int64?

    /// The bytes of all reservations.
    public private(set) var reserved: Int64 = 0
    /// The bytes of reservations that are written.
    public private(set) var written: Int64 = 0

    /// - Parameters:
    ///   - floor: at least 0.
    ///   - maximum: 0 means no limit, as in the settings.
    public init(floor: Int64, maximum: Int64) {
        self.floor = max(floor, 0)
        self.maximum = maximum > 0 ? maximum : nil
    }

    /// Whether `bytes` more may be reserved; `nil` if they may.
    /// - Parameters:
    ///   - free: the free bytes of the disk.
    ///   - used: the bytes of stored content.
    public func refusal(of bytes: Int64, free: Int64, used: Int64) -> SpaceRefusal? {
        let pending = Self.sum(reserved - written, bytes)
        if free < Self.sum(floor, pending) { return .disk }
        if let maximum, Self.sum(Self.sum(used, reserved), bytes) > maximum { return .maximum }
        return nil
    }

    /// Reserves bytes for which ``refusal(of:free:used:)`` has returned `nil`.
    public mutating func reserve(_ bytes: Int64) { reserved = Self.sum(reserved, bytes) }

    /// Some reserved bytes were written.
    public mutating func write(_ bytes: Int64) {
        written += bytes
        precondition(written <= reserved, "only reserved bytes are written")
    }

    /// Returns a reservation of `bytes`, of which `written` were written.
    public mutating func release(_ bytes: Int64, written: Int64) {
        reserved -= bytes
        self.written -= written
        precondition(self.written >= 0 && self.written <= reserved, "only reserved bytes are released")
    }

    private static func sum(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, isOverflow) = left.addingReportingOverflow(right)
        return isOverflow ? .max : sum
    }
}

/// Why no further bytes may be stored.
public enum SpaceRefusal: Error, Hashable, Sendable {
    /// Fewer bytes than `storage.min_free_gigabytes` would stay free on the disk.
    case disk
    /// The stored content would exceed `storage.files_max_gigabytes`.
    case maximum
}
