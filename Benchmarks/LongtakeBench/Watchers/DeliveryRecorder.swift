import Glibc
import NIOCore

/// All watchers of one event loop, and what came to them. Lives on that loop.
final class WatcherBoard {
    private(set) var watchers: [Watcher] = []
    private var channels: [any Channel] = []
    private var origins: [OriginTable] = []
    private var arrivals: [OriginTable] = []
    private var publications = OriginTable()
    private var isPublisher = false
    private var isRecording = false
    private var windowBegan = ContinuousClock.now
    private let driver = ProcessMeter(processes: [getpid()])
    private lazy var driverBegan = driver.read()

    var delivery = Delivery()
    /// Watchers that had their hello, and those that have reached the head which it told.
    var greeted = 0
    private(set) var caughtUpCount = 0
    private(set) var catchUps = LatencyHistogram()
    /// When the last one did, in microseconds since 1970.
    private(set) var caughtUpAt: Int64 = 0
    private(set) var open = 0
    var heartbeats = 0
    private(set) var isClosing = false
    /// Opens the stream of a watcher anew, after a while.
    var comeAgain: ((Watcher) -> Void)?
    /// The highest number that arrived of each job.
    private(set) var heads: [UInt64] = []
    private var headsAtBegin: [UInt64] = []

    func add(_ plan: WatchPlan) -> Watcher {
        while origins.count <= plan.job {
            origins.append(OriginTable())
            arrivals.append(OriginTable())
            heads.append(0)
        }
        let watcher = Watcher(plan, board: self)
        watchers.append(watcher)
        return watcher
    }

    // MARK: What watchers tell

    func connected(_ channel: any Channel) {
        open += 1
        channels.append(channel)
    }

    /// The connection is gone: a watcher that can resume does so, like every client, from the last event that it has.
    func closed(_ watcher: Watcher) {
        open -= 1
        guard !isClosing else { return }
        guard watcher.plan.isResumable, let comeAgain else {
            return failed("a stream ended before the measurement did")
        }
        delivery.cuts += 1
        comeAgain(watcher)
    }

    /// The server said “later”: the watcher comes again, as a browser does after the `retry:` it was told.
    func refused(_ watcher: Watcher, status: Int) {
        open -= 1
        guard !isClosing else { return }
        if status == 200 { delivery.refusals += 1 } else { delivery.hardRefusals += 1 }
        comeAgain?(watcher)
    }

    func failed(_ reason: String) { delivery.failures.append(reason) }

    func caughtUp(after microseconds: Int64, _ now: Int64) {
        caughtUpCount += 1
        caughtUpAt = now
        catchUps.record(microseconds: microseconds)
    }

    func delivered(_ sequence: UInt64, of job: Int, at: UnsafeRawBufferPointer, bytes: Int, _ now: Int64) {
        if sequence > heads[job] { heads[job] = sequence }
        let arrival = arrivals[job][sequence]
        if arrival == nil { arrivals[job][sequence] = now }
        guard isRecording else { return }
        delivery.events += 1
        delivery.bytes += bytes
        guard let origin = origins[job][sequence] ?? WallTime.microseconds(rfc3339: at) else {
            return failed("an event without a time")
        }
        delivery.latencies.record(microseconds: now - origin)
        if let arrival {
            delivery.spreads.record(microseconds: now - arrival)
        } else {
            origins[job][sequence] = origin
            delivery.firsts.record(microseconds: now - origin)
        }
        if isPublisher, let published = publications[sequence] {
            delivery.exactLatencies.record(microseconds: now - published)
        }
    }

    /// The driver publishes this event itself, now.
    func published(_ sequence: UInt64, _ now: Int64) {
        isPublisher = true
        publications[sequence] = now
    }

    // MARK: The window

    func beginWindow() {
        delivery.events = 0
        delivery.bytes = 0
        delivery.latencies = LatencyHistogram()
        delivery.firsts = LatencyHistogram()
        delivery.spreads = LatencyHistogram()
        delivery.exactLatencies = LatencyHistogram()
        headsAtBegin = heads
        windowBegan = .now
        driverBegan = driver.read()
        isRecording = true
    }

    func endWindow() -> Delivery {
        isRecording = false
        delivery.seconds = (ContinuousClock.now - windowBegan) / .seconds(1)
        delivery.driverCores = driver.usage(since: driverBegan).cores
        delivery.published = zip(heads, headsAtBegin).map { Int(clamping: $0 - $1) }.reduce(0, +)
        return delivery
    }

    /// How many watchers have not got as far as `targets` says of their jobs.
    func behind(_ targets: [UInt64]) -> Int {
        watchers.count { ($0.last ?? 0) < targets[$0.plan.job] }
    }

    func closeAll() {
        isClosing = true
        for channel in channels { channel.close(promise: nil) }
        (channels, watchers, comeAgain) = ([], [], nil)
    }
}

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

/// When the events of one job came to be, by their numbers: read from the first copy of each, for all its watchers.
struct OriginTable {
    private var times: [Int64] = []

    /// The time in microseconds since 1970; `nil` where it is not known yet.
    subscript(_ sequence: UInt64) -> Int64? {
        get {
            let index = Int(clamping: sequence)
            guard index < times.count, times[index] != 0 else { return nil }
            return times[index]
        }
        set {
            let index = Int(clamping: sequence)
            guard index < Self.most, let newValue else { return }
            if index >= times.count { times += Array(repeating: 0, count: index - times.count + 64) }
            times[index] = newValue
        }
    }

    /// No job of a measurement has more events.
    private static let most = 1_000_000
}
