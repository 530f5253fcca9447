/// What arrived at some watchers.
struct Delivery: Sendable {
    /// Events in the measured window.
    var events = 0
    /// Bytes of the window's events, as blocks of the stream.
    var bytes = 0
    /// Event numbers that were left out, ever.
    var gaps = 0
    /// Events that came twice or behind a later one, ever.
    var duplicates = 0
    /// Streams that broke, and why.
    var failures: [String] = []
    /// Streams that were told to come again later as the contract says (200 and `stream.end`), and did.
    var refusals = 0
    /// Those that were told so with a status (429, 503), at which a browser would give up.
    var hardRefusals = 0
    /// Streams that the server ended without a word, and that resumed.
    var cuts = 0
    /// From the time that an event carries, which is cut to milliseconds, until its bytes were read.
    var latencies = LatencyHistogram()
    /// Of each event, until the first of its watchers had read it: with the daemon that is its fsync and one delivery.
    var firsts = LatencyHistogram()
    /// From that moment until each of the other watchers had read it: the fan-out alone.
    var spreads = LatencyHistogram()
    /// From the moment of the publication, where the driver publishes itself.
    var exactLatencies = LatencyHistogram()
    /// How much of a processor the driver itself used in the window; near 1, its one event loop is what is measured.
    var driverCores = 0.0
    /// How long the window was.
    var seconds = 0.0
    /// How far the most advanced watcher of each job came in the window.
    var published = 0

    var bytesPerEvent: Double { events > 0 ? Double(bytes) / Double(events) : .nan }
    var eventsPerSecond: Double { seconds > 0 ? Double(events) / seconds : .nan }
}
