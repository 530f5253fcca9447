import Histogram
import LongtakeCore

/// Times in microseconds, exact to three digits (an HDR histogram). Longer than ten minutes counts as ten minutes.
struct LatencyHistogram: Sendable {
    private var histogram = Histogram<UInt64>(
        highestTrackableValue: mostMicroseconds, numberOfSignificantValueDigits: .three)
    private static let mostMicroseconds: UInt64 = 600_000_000

    /// A time before its origin, which two clocks' reading of the same moment can give, counts as none.
    mutating func record(microseconds: Int64) {
        _ = histogram.record(min(UInt64(max(0, microseconds)), Self.mostMicroseconds))
    }

    mutating func add(_ other: LatencyHistogram) { histogram.add(other.histogram) }

    var count: Int { Int(histogram.totalCount) }

    /// In milliseconds; not a number where nothing was recorded.
    func percentile(_ percentile: Double) -> Double {
        count == 0 ? .nan : Double(histogram.valueAtPercentile(percentile)) / 1000
    }

    var p50: Double { percentile(50) }
    var p90: Double { percentile(90) }
    var p99: Double { percentile(99) }
    var p999: Double { percentile(99.9) }
    var most: Double { count == 0 ? .nan : Double(histogram.maxRecorded) / 1000 }

    var json: JSONValue {
        .object([
            "count": .integer(Int64(count)), "p50_milliseconds": .measured(p50), "p90_milliseconds": .measured(p90),
            "p99_milliseconds": .measured(p99), "p999_milliseconds": .measured(p999),
            "max_milliseconds": .measured(most),
        ])
    }
}

extension JSONValue {
    /// A measured number; `null` where there is none, since JSON has no word for it.
    static func measured(_ value: Double?) -> JSONValue {
        guard let value, value.isFinite else { return .null }
        return .number(value)
    }

    static func measured(_ value: Int) -> JSONValue { .integer(Int64(value)) }
}
