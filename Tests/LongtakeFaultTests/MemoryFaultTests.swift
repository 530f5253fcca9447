import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Surroundings {
    /// F12. Readers whose window is full: what they do not take is in the log, and not in the daemon. Seen to fail without the write
    /// deadline (`giveUp` in StreamDeadlines): 521 descriptors were open 20 s later. And where a stream is told that there is room
    /// although there is none (`writabilityChanged` in StreamSubscriber): 43 MiB with 51 readers, and only 123 had been let in after a minute.
    @Test("F12: 1,000 readers that never read hold little memory, are cut off, and resume exactly", .tags(.slow))
    func readersThatNeverRead() async throws {
        let crowd = 1_000
        var campaign = Campaign("F12", rounds: 1)
        campaign.followers = 6
        campaign.pause = 150
        campaign.jobs = 300
        try await campaign.run { site in
            // Something to replay, and more while they hang.
            site.rest(3_000...3_000)
            let reading = ProcessReading(site.daemon)
            let descriptors = reading.descriptors
            var (readers, crowding): ([EventReader], Crowding) = ([], Crowding(reading))
            let opening = Deadline(120)
            while readers.count < crowd, !opening.isOver {
                readers.append(try site.daemon.feed("", "Last-Event-ID: 0", receiveBuffer: 2_048))
                site.injections += 1
                crowding.look()
            }
            if readers.count < crowd { site.history.violated(.honesty, "only \(readers.count) streams began in 120 s") }
            let began = ContinuousClock.now
            // By the write deadline; TCP_USER_TIMEOUT would take 30 s.
            let areGone = ProcessReading.wait(upTo: 20) {
                crowding.look()
                return reading.descriptors <= descriptors + 16
            }
            // One that is still there would be told of each new event for as long as it is asked.
            guard areGone else {
                return site.history.violated(
                    .honesty, "\(reading.descriptors) descriptors after 20 s, \(descriptors) before")
            }
            let seconds = Int((ContinuousClock.now - began) / .seconds(1))
            print("F12: \(crowding), \(seconds) s until they were gone")
            if crowding.isTooMuch { site.history.violated(.honesty, "\(crowding)") }
            for index in stride(from: 0, to: readers.count, by: crowd / 8) {
                try Self.checkResumed(readers[index], site)
            }
        }
    }

    /// O8: what it had got, and what it gets when it comes back, are the feed without a gap or a double.
    private static func checkResumed(_ reader: EventReader, _ site: Campaign.Site) throws {
        var seen: [String] = []
        while let block = try? reader.next(within: 1) {
            if block.isLogged, let id = block.id { seen.append(id) }
        }
        let again = try site.daemon.feed("", "Last-Event-ID: \(seen.last ?? "0")")
        let whole = try site.daemon.feed("", "Last-Event-ID: 0")
        let more = try ids(again, 20)
        if try ids(whole, seen.count + more.count) != seen + more {
            site.history.violated(.resume, "a reader that was cut off after \(seen.last ?? "nothing") is not told all")
        }
    }

    private static func ids(_ reader: EventReader, _ count: Int) throws -> [String] {
        var ids: [String] = []
        while ids.count < count, let block = try reader.next(within: 5) {
            if block.event == "stream.reset" { return [] }
            if block.isLogged, let id = block.id { ids.append(id) }
        }
        return ids
    }
}

/// What a crowd of readers takes of a daemon's memory.
private struct Crowding: CustomStringConvertible {
    private let reading: ProcessReading
    private let before: (descriptors: Int, memory: Int)
    private var readers = 0
    private var memory = 0

    init(_ reading: ProcessReading) {
        self.reading = reading
        before = (reading.descriptors, reading.residentKiB)
    }

    mutating func look() {
        readers = max(readers, reading.descriptors - before.descriptors)
        memory = max(memory, reading.residentKiB - before.memory)
    }

    /// 64 KiB for each, and 24 MiB for the load beside them. On a busy machine the first are gone before the last are there.
    var isTooMuch: Bool { memory > 24 * 1024 + 64 * readers }

    var description: String { "\(memory) KiB more with \(readers) readers at a time" }
}
