import Glibc

/// The wall clock in microseconds since 1970, and the times that events carry.
enum WallTime {
    static func microseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }

    /// Reads `2026-11-20T12:00:00.118Z` without making a string of it; `nil` for anything else.
    ///
    /// The days from the date: H. Hinnant, “chrono-Compatible Low-Level Date Algorithms”, `days_from_civil`.
    static func microseconds(rfc3339 text: UnsafeRawBufferPointer) -> Int64? {
        guard text.count == 24, text[23] == UInt8(ascii: "Z") else { return nil }
        func number(_ start: Int, _ count: Int) -> Int64? {
            var value: Int64 = 0
            for digit in text[start..<start + count] {
                guard (0x30...0x39).contains(digit) else { return nil }
                value = value * 10 + Int64(digit &- 0x30)
            }
            return value
        }
        guard let calendarYear = number(0, 4), let month = number(5, 2), let day = number(8, 2),
            let hour = number(11, 2),
            let minute = number(14, 2), let second = number(17, 2), let milliseconds = number(20, 3)
        else { return nil }
        let year = calendarYear - (month <= 2 ? 1 : 0)
        let (era, yearOfEra) = (year / 400, year % 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        return (days * 86_400 + hour * 3_600 + minute * 60 + second) * 1_000_000 + milliseconds * 1_000
    }
}
