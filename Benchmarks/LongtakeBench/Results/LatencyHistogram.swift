import Glibc
import Histogram
import LongtakeCore

/// Times in microseconds with three significant digits, in an HDR histogram. A time above ten
/// minutes counts as ten minutes.
struct LatencyHistogram: Sendable {
    private var histogram = Histogram<UInt64>(
        highestTrackableValue: maximumMicroseconds, numberOfSignificantValueDigits: .three)
    private static let maximumMicroseconds: UInt64 = 600_000_000

    /// Records a time. A negative time counts as 0. Two readings of the clock can cause one.
    mutating func record(microseconds: Int64) {
        _ = histogram.record(min(UInt64(max(0, microseconds)), Self.maximumMicroseconds))
    }

    var count: Int { Int(histogram.totalCount) }

    /// - Returns: milliseconds; not a number if the histogram is empty.
    func percentile(_ percentile: Double) -> Double {
        count == 0 ? .nan : Double(histogram.valueAtPercentile(percentile)) / 1000
    }

    var p50: Double { percentile(50) }
    var p90: Double { percentile(90) }
    var p99: Double { percentile(99) }
    var p999: Double { percentile(99.9) }
    var maximum: Double { count == 0 ? .nan : Double(histogram.maxRecorded) / 1000 }

    var json: JSONValue {
        .object([
            "count": .integer(Int64(count)), "p50_milliseconds": .measured(p50), "p90_milliseconds": .measured(p90),
            "p99_milliseconds": .measured(p99), "p999_milliseconds": .measured(p999),
            "max_milliseconds": .measured(maximum),
        ])
    }
}

/// The wall clock, and the times in events, in microseconds since 1970.
enum WallTime {
    static func microseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }

    /// Parses a time such as `2026-11-20T12:00:00.118Z` without creating a string.
    ///
    /// The algorithm for the days is `days_from_civil` (H. Hinnant, “chrono-Compatible Low-Level
    /// Date Algorithms”).
    /// - Returns: `nil` for any other format.
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
