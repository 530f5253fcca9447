import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Environment {
    /// F12. The receive windows of the readers are full. The events that they do not take stay in
    /// the event log and use no memory of the daemon.
    ///
    /// This test failed without the write timeout (`writeTimeout` in StreamDeadlines): 521
    /// descriptors were open 20 s later. It also failed when streams ignored that the connection
    /// was not writable (`writabilityChanged` in StreamSubscriber): the daemon used 43 MiB more
    /// with 51 readers, and only 123 readers were connected after a minute.
    @Test("F12: 1,000 readers that never read use little memory, are disconnected, and resume exactly", .tags(.slow))
    func readersThatNeverRead() async throws {
        let readerCount = 1_000
        var campaign = Campaign("F12", rounds: 1)
        campaign.followers = 6
        campaign.pause = 150
        campaign.jobs = 300
        try await campaign.run { site in
            // The load writes events to replay, and more events while the readers do not read.
            site.rest(3_000...3_000)
            let usage = ProcessUsage(site.daemon)
            let descriptors = usage.descriptors
            var (readers, growth): ([EventReader], MemoryGrowth) = ([], MemoryGrowth(usage))
            let opening = Deadline(120)
            while readers.count < readerCount, !opening.isOver {
                readers.append(try site.daemon.feed("", "Last-Event-ID: 0", receiveBuffer: 2_048))
                site.injections += 1
                growth.measure()
            }
            if readers.count < readerCount {
                site.history.violated(.honesty, "only \(readers.count) streams began in 120 s")
            }
            let began = ContinuousClock.now
            // The write timeout disconnects the readers. `TCP_USER_TIMEOUT` would take 30 s.
            let areGone = ProcessUsage.wait(upTo: 20) {
                growth.measure()
                return usage.descriptors <= descriptors + 16
            }
            // A reader that is still connected would get new events for as long as the test reads.
            guard areGone else {
                return site.history.violated(
                    .honesty, "\(usage.descriptors) descriptors are open after 20 s, and \(descriptors) were before")
            }
            let seconds = Int((ContinuousClock.now - began) / .seconds(1))
            print("F12: \(growth), \(seconds) s until all were disconnected")
            if growth.isTooMuch { site.history.violated(.honesty, "\(growth)") }
            for index in stride(from: 0, to: readers.count, by: readerCount / 8) {
                try Self.checkResumed(readers[index], site)
            }
        }
    }

    /// O8: the events that the reader received before the disconnect and after the resume are the
    /// feed, without a gap or a duplicate.
    private static func checkResumed(_ reader: EventReader, _ site: Campaign.Site) throws {
        var seen: [String] = []
        while let block = try? reader.next(within: 1) {
            if block.isLogged, let id = block.id { seen.append(id) }
        }
        let again = try site.daemon.feed("", "Last-Event-ID: \(seen.last ?? "0")")
        let whole = try site.daemon.feed("", "Last-Event-ID: 0")
        let more = try ids(again, 20)
        if try ids(whole, seen.count + more.count) != seen + more {
            site.history.violated(
                .resume, "a reader that was disconnected after \(seen.last ?? "nothing") did not get all events later")
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

/// The memory that readers use in the daemon.
private struct MemoryGrowth: CustomStringConvertible {
    private let usage: ProcessUsage
    private let before: (descriptors: Int, memory: Int)
    /// The largest number of readers at the same time.
    private var readers = 0
    /// The largest growth, in KiB.
    private var memory = 0

    init(_ usage: ProcessUsage) {
        self.usage = usage
        before = (usage.descriptors, usage.residentKiB)
    }

    mutating func measure() {
        readers = max(readers, usage.descriptors - before.descriptors)
        memory = max(memory, usage.residentKiB - before.memory)
    }

    /// The limit is 64 KiB for each reader, and 24 MiB for the other load. It uses the largest
    /// number of readers at the same time, because on a busy machine the first readers are
    /// disconnected before the last ones connect.
    var isTooMuch: Bool { memory > 24 * 1024 + 64 * readers }

    var description: String { "\(memory) KiB more with \(readers) readers at the same time" }
}
