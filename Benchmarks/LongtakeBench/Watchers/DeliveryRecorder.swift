import Glibc
import NIOCore

/// Records what the watchers of one event loop receive. It must be used on that event loop only.
final class DeliveryRecorder {
    private(set) var watchers: [Watcher] = []
    private var channels: [any Channel] = []
    /// The times in the events, by job.
    private var origins: [EventTimes] = []
    /// The times when the first watcher had each event, by job.
    private var arrivals: [EventTimes] = []
    private var publications = EventTimes()
    private var isPublisher = false
    private var isRecording = false
    private var windowBegan = ContinuousClock.now
    private let driver = ProcessMeter(processes: [getpid()])
    private lazy var driverBegan = driver.read()

    var delivery = Delivery()
    /// The number of watchers that have received the first block of their stream.
    var greetedCount = 0
    /// The number of watchers that have received the event that `head` names in their
    /// `stream.hello`.
    private(set) var caughtUpCount = 0
    private(set) var catchUps = LatencyHistogram()
    /// The time when the last of them caught up, in microseconds since 1970.
    private(set) var caughtUpAt: Int64 = 0
    private(set) var openCount = 0
    var heartbeats = 0
    private(set) var isClosing = false
    /// Called after each change, while a measurement waits for a condition.
    var onChange: (() -> Void)?
    /// Opens the stream of a watcher again after a delay.
    var reconnect: ((Watcher) -> Void)?
    /// The highest event number that has arrived, by job.
    private(set) var heads: [UInt64] = []
    private var headsAtBegin: [UInt64] = []

    func add(_ request: StreamRequest) -> Watcher {
        while origins.count <= request.job {
            origins.append(EventTimes())
            arrivals.append(EventTimes())
            heads.append(0)
        }
        let watcher = Watcher(request, recorder: self)
        watchers.append(watcher)
        return watcher
    }

    // MARK: Calls of the watchers

    func connected(_ channel: any Channel) {
        openCount += 1
        // A watcher may reconnect while the group closes.
        if isClosing { return channel.close(promise: nil) }
        channels.append(channel)
    }

    /// The server has ended the stream without `stream.end`. If the watcher can resume, it resumes
    /// after its last event, as every client does.
    func disconnected(_ watcher: Watcher) {
        defer { onChange?() }
        openCount -= 1
        guard !isClosing else { return }
        guard watcher.request.isResumable, let reconnect else {
            return failed("a stream ended before the measurement")
        }
        delivery.disconnects += 1
        reconnect(watcher)
    }

    /// The server has rejected the stream. The watcher tries again, as a browser does after the
    /// time in `retry:`.
    func rejected(_ watcher: Watcher, status: Int) {
        defer { onChange?() }
        openCount -= 1
        guard !isClosing else { return }
        if status == 200 { delivery.rejections += 1 } else { delivery.statusRejections += 1 }
        reconnect?(watcher)
    }

    func failed(_ reason: String) {
        delivery.failures.append(reason)
        onChange?()
    }

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
            return failed("an event has no valid time")
        }
        delivery.latencies.record(microseconds: now - origin)
        if let arrival {
            delivery.spreads.record(microseconds: now - arrival)
        } else {
            origins[job][sequence] = origin
            delivery.firsts.record(microseconds: now - origin)
        }
        if isPublisher, let published = publications[sequence] {
            delivery.publicationLatencies.record(microseconds: now - published)
        }
    }

    /// The driver itself publishes this event now.
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
        delivery.publicationLatencies = LatencyHistogram()
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

    /// - Parameter targets: an event number for each job.
    /// - Returns: the number of watchers that have not yet received that event of their job.
    func countBehind(_ targets: [UInt64]) -> Int {
        watchers.count { ($0.last ?? 0) < targets[$0.request.job] }
    }

    func closeAll() {
        isClosing = true
        for channel in channels { channel.close(promise: nil) }
        (channels, watchers, reconnect) = ([], [], nil)
    }
}

/// What the watchers of a measurement have received.
struct Delivery: Sendable {
    /// Events in the window.
    var events = 0
    /// Bytes of the events in the window, as blocks of the event stream.
    var bytes = 0
    /// Events that were skipped, also outside the window.
    var missing = 0
    /// Events that arrived twice or after a later one, also outside the window.
    var duplicates = 0
    /// Why streams failed.
    var failures: [String] = []
    /// How often the server rejected a stream as the API documents: with 200 and `stream.end`. The
    /// watcher tried again.
    var rejections = 0
    /// How often the server rejected a stream with 429 or 503. A browser would give up.
    var statusRejections = 0
    /// How often the server ended a stream without `stream.end`. The watcher resumed.
    var disconnects = 0
    /// The time from an event's `at`, which is truncated to milliseconds, until a watcher has read
    /// the event.
    var latencies = LatencyHistogram()
    /// The same until the first watcher has read the event. For the daemon, this is the fsync and
    /// one delivery.
    var firsts = LatencyHistogram()
    /// The time from then until each other watcher has read the event: the fan-out alone.
    var spreads = LatencyHistogram()
    /// The time from the publication, if the driver itself publishes.
    var publicationLatencies = LatencyHistogram()
    /// The average number of processors that the driver used in the window. If it is close to 1,
    /// the result is the speed of the driver's event loop.
    var driverCores = 0.0
    /// The length of the window.
    var seconds = 0.0
    /// Published events in the window: the sum over all jobs of the events that the most advanced
    /// watcher received.
    var published = 0

    var bytesPerEvent: Double { events > 0 ? Double(bytes) / Double(events) : .nan }
    var eventsPerSecond: Double { seconds > 0 ? Double(events) / seconds : .nan }
}

/// A time for each event of a job, by the number of the event.
private struct EventTimes {
    private var times: [Int64] = []

    /// The time in microseconds since 1970; `nil` if it is unknown.
    subscript(_ sequence: UInt64) -> Int64? {
        get {
            let index = Int(clamping: sequence)
            guard index < times.count, times[index] != 0 else { return nil }
            return times[index]
        }
        set {
            let index = Int(clamping: sequence)
            guard index < Self.maximumEvents, let newValue else { return }
            if index >= times.count { times += Array(repeating: 0, count: index - times.count + 64) }
            times[index] = newValue
        }
    }

    /// More than a job of any measurement has.
    private static let maximumEvents = 1_000_000
}
