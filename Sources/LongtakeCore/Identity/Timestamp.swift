/// A point in time, in whole milliseconds since 1970-01-01T00:00:00Z without leap seconds.
public struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible, Codable {
    public let millisecondsSince1970: Int64

    public init(millisecondsSince1970: Int64) {
        self.millisecondsSince1970 = millisecondsSince1970
    }

    public static func < (left: Self, right: Self) -> Bool { left.millisecondsSince1970 < right.millisecondsSince1970 }

    /// The seconds since `earlier`, with millisecond precision; 0 if `earlier` is later. Both must
    /// be times of the steady clock (``WallClock/steady()``), because the wall clock jumps.
    public func seconds(since earlier: Timestamp) -> Double {
        Double(max(0, millisecondsSince1970 - earlier.millisecondsSince1970)) / 1000
    }

    /// This time plus `duration`, which is truncated to milliseconds.
    public func advanced(by duration: Duration) -> Timestamp {
        Timestamp(millisecondsSince1970: millisecondsSince1970 + duration.wholeMilliseconds)
    }

    /// The time in RFC 3339, in UTC with milliseconds: `2026-11-20T12:00:00.118Z`. Correct for the
    /// years 0 to 9999.
    ///
    /// The date is computed with `civil_from_days` from H. Hinnant, “chrono-Compatible Low-Level
    /// Date Algorithms”.
    public var description: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(24)
        write(into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends ``description`` as UTF-8.
    package func write(into bytes: inout [UInt8]) {
        let (days, milliseconds) = millisecondsSince1970.flooredDivision(by: 86_400_000)
        let (era, dayOfEra) = (days + 719_468).flooredDivision(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let (hour, minute) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60)
        let (second, fraction) = (milliseconds / 1000 % 60, milliseconds % 1000)
        bytes.append(year, digits: 4)
        bytes.append(UInt8(ascii: "-"))
        bytes.append(month, digits: 2)
        bytes.append(UInt8(ascii: "-"))
        bytes.append(day, digits: 2)
        bytes.append(UInt8(ascii: "T"))
        bytes.append(hour, digits: 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(minute, digits: 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(second, digits: 2)
        bytes.append(UInt8(ascii: "."))
        bytes.append(fraction, digits: 3)
        bytes.append(UInt8(ascii: "Z"))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let time = Timestamp(rfc3339: text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "a time must look like 2026-11-20T12:00:00.118Z, not “\(text)”")
        }
        self = time
    }

    /// Parses exactly the form that ``description`` writes.
    public init?(rfc3339 text: String) {
        let fields = text.split(omittingEmptySubsequences: false, whereSeparator: { "-T:.Z".contains($0) })
        // No field has more than four digits; longer ones could overflow the arithmetic below.
        guard fields.count == 8, fields[7].isEmpty, fields.allSatisfy({ $0.utf8.count <= 4 }) else { return nil }
        let numbers = fields.dropLast().compactMap { Int64($0) }
        guard numbers.count == 7 else { return nil }
        let (year, month, day) = (numbers[0] - (numbers[1] <= 2 ? 1 : 0), numbers[1], numbers[2])
        let (era, yearOfEra) = year.flooredDivision(by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        let seconds = days * 86_400 + numbers[3] * 3600 + numbers[4] * 60 + numbers[5]
        self.init(millisecondsSince1970: seconds * 1000 + numbers[6])
        guard description == text else { return nil }
    }
}

extension Duration {
    /// The duration in milliseconds, truncated.
    package var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}

extension Int64 {
    fileprivate func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let remainder = ((self % divisor) + divisor) % divisor
        return ((self - remainder) / divisor, remainder)
    }
}

/// The source of all times. It is injected, so that tests control the time.
public protocol WallClock: Sendable {
    /// The time of the wall clock. It jumps when a person or a program sets the clock.
    func now() -> Timestamp

    /// The time of the steady clock: the wall-clock time at the beginning of this boot, plus the
    /// time that has passed on a monotonic clock since then. So setting the wall clock does not
    /// change it. Durations, ages and due times are differences of steady times.
    func steady() -> Timestamp
}

extension WallClock {
    /// Reads both clocks.
    public func reading() -> ClockReading { ClockReading(now(), steady: steady()) }
}
