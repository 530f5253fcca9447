/// What arrived at some watchers.
struct Delivery: Sendable {
    /// Events in the measured window.
    var events = 0
    /// Event numbers that were left out, ever.
    var gaps = 0
    /// Events that came twice or behind a later one, ever.
    var duplicates = 0
    /// Streams that broke, and why.
    var failures: [String] = []
    /// From the time that an event carries, which is cut to milliseconds, until its bytes were read.
    var latencies = LatencyHistogram()
    /// From the moment of the publication, where the driver publishes itself.
    var exactLatencies = LatencyHistogram()
    /// How long the window was.
    var seconds = 0.0
    /// How far the most advanced watcher of each job came in the window.
    var published = 0

    var eventsPerSecond: Double { seconds > 0 ? Double(events) / seconds : .nan }
}
