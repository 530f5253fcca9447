import LongtakeCore

/// A time as HTTP writes it, `Fri, 20 Nov 2026 12:00:00 GMT` (IMF-fixdate, RFC 9110 §5.6.7).
enum HTTPDate {
    static func text(_ time: Timestamp) -> String {
        // The day 0 of the count was a Thursday.
        let days = (time.millisecondsSince1970 / 86_400_000 + 4) % 7
        let fields = time.description.split(whereSeparator: { "-T.".contains($0) })
        let month = months[(Int(fields[1]) ?? 1) - 1]
        return "\(weekdays[Int(days)]), \(fields[2]) \(month) \(fields[0]) \(fields[3]) GMT"
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}
