import LongtakeCore
import LongtakeStream

/// The settings of a boot.
struct BootPlan {
    /// How long a graceful shutdown may take.
    static let grace: Duration = .seconds(10)

    let workers: [QueueName: Int]
    let loops: Int
    let heartbeat: Duration
    let maxStreams: Int
    let maxAge: Duration?
    let bounds: StreamConfiguration.Bounds
    /// The journal's pages may be shorter than requested, because they also have a limit in bytes.
    let eventsPerPage: Int

    init(_ chance: Chance) {
        workers = [SimulatedJob.cpu: 1 + chance.below(3), SimulatedJob.gpu: 1 + chance.below(2)]
        loops = 1 + chance.below(2)
        // A heartbeat can repair a stream that missed an event. With rare heartbeats, such mistakes
        // become visible.
        heartbeat = chance.isOne(in: 3) ? .seconds(15) : .seconds(100_000)
        maxStreams = chance.isOne(in: 5) ? 1 : 100
        maxAge = chance.isOne(in: 4) ? .seconds(3) : nil
        eventsPerPage = chance.one(of: [1, 2, 5, 1_000])
        var bounds = StreamConfiguration.Bounds()
        // An event has about 250 bytes.
        if chance.isOne(in: 3) { bounds.mailboxBytes = 300 + chance.below(600) }
        if chance.isOne(in: 3) { bounds.ringBytes = chance.below(3_000) }
        if chance.isOne(in: 3) { bounds.readsAtOnce = 1 }
        self.bounds = bounds
    }

    func streams(_ random: SendableChance) -> StreamConfiguration {
        var streams = StreamConfiguration(
            heartbeat: heartbeat, maxStreams: maxStreams, maxAge: maxAge, random: { random.chance.next() })
        streams.bounds = bounds
        return streams
    }
}
