import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Surroundings {
    /// F13. One manner after the other, beside honest clients, whose jobs and streams the checker looks at. Seen to fail where the end of a
    /// client's input is not heard (`inputClosed` in ConnectionHandler): 950 descriptors stayed open.
    @Test("F13: hostile clients harm nobody but themselves", .tags(.slow))
    func hostileClients() async throws {
        let manners = HostileClient.Manner.allCases
        var campaign = Campaign("F13", rounds: manners.count)
        // Some manners keep the whole machine busy, the ones who drive them included.
        campaign.silence = 45
        campaign.followers = 4
        campaign.pause = 200
        campaign.jobs = 150
        try await campaign.run { site in
            let manner = manners[site.round]
            let reading = ProcessReading(site.daemon)
            let (descriptors, memory) = (reading.descriptors, reading.residentKiB)
            let (cpu, began) = (reading.cpuSeconds, ContinuousClock.now)
            let injections = site.injections
            do {
                var client = HostileClient(site.daemon, site.generator.split())
                try client.attack(manner, for: 1)
                site.injections += client.injections
                for complaint in client.complaints.prefix(3) { site.history.violated(.honesty, complaint) }
            }
            let share = (reading.cpuSeconds - cpu) / ((.now - began) / .seconds(1))
            if manner.isQuiet, share > HostileLimits.quietShare {
                site.history.violated(.honesty, "clients that send next to nothing cost \(share) of a processor")
            }
            // An honest client gets in, whatever was left behind.
            let answer = try site.daemon.connect().exchange(
                "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", within: 15)
            if answer.status != 200 { site.history.violated(.honesty, "then health was \(answer.status)") }
            let isFree = ProcessReading.wait(upTo: HostileLimits.seconds) {
                reading.descriptors <= descriptors + HostileLimits.descriptors
            }
            if !isFree {
                site.history.violated(
                    .honesty, "\(manner): \(reading.descriptors) descriptors, \(descriptors) before")
            }
            let isBack = ProcessReading.wait(upTo: HostileLimits.memorySeconds) {
                reading.residentKiB - memory <= HostileLimits.memoryKiB
            }
            let grown = reading.residentKiB - memory
            if !isBack { site.history.violated(.honesty, "\(manner): \(grown) KiB more than before") }
            print(
                "F13 \(manner): \(site.injections - injections) times, \(Int(share * 100)) % of a processor, \(grown) KiB more"
            )
        }
    }
}

/// What hostile clients may cost.
private enum HostileLimits {
    /// Of a processor, beside what the honest ones need.
    static let quietShare = 0.9
    /// Those of the honest ones come and go.
    static let descriptors = 12
    /// Until the connections of clients that left are gone: at once, and not by the deadline of a request.
    static let seconds = 5.0
    /// Kept for the next request: arenas of the allocator, rings of frames.
    static let memoryKiB = 64 * 1024
    /// Memory goes back to the system when a great coming and going is over.
    static let memorySeconds = 20.0
}
