import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests {
    /// F12. Readers whose window is full: what they do not take is in the log, and not in the daemon.
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
            let (descriptors, memory) = (reading.descriptors, reading.residentKiB)
            var readers: [EventReader] = []
            for _ in 0..<crowd {
                readers.append(try site.daemon.feed("", "Last-Event-ID: 0", receiveBuffer: 2_048))
                site.injections += 1
            }
            var most = memory
            let began = ContinuousClock.now
            let areGone = ProcessReading.wait(upTo: 30) {
                most = max(most, reading.residentKiB)
                return reading.descriptors <= descriptors + 16
            }
            if !areGone {
                site.history.violated(.honesty, "\(reading.descriptors) descriptors after 30 s, \(descriptors) before")
            }
            let perReader = (most - memory) / crowd
            let seconds = Int((ContinuousClock.now - began) / .seconds(1))
            print("F12: \(perReader) KiB for each reader at most, all cut off after \(seconds) s")
            if perReader > 64 { site.history.violated(.honesty, "\(perReader) KiB for each reader") }
            for index in stride(from: 0, to: crowd, by: crowd / 8) {
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
