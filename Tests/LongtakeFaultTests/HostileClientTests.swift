import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Environment {
    /// F13. Runs one attack after the other beside normal clients, whose jobs and streams the
    /// checker verifies. This test failed when the daemon did not detect the end of a client's
    /// input (`inputClosed` in ConnectionHandler): 950 descriptors stayed open.
    @Test(
        "F13: hostile clients do not affect other clients, and leave no descriptors and no memory behind", .tags(.slow))
    func hostileClients() async throws {
        let attacks = HostileClient.Attack.allCases
        var campaign = Campaign("F13", rounds: attacks.count)
        // Some attacks keep the whole machine busy, including the test itself.
        campaign.silence = 45
        campaign.followers = 4
        campaign.pause = 200
        campaign.jobs = 150
        try await campaign.run { site in
            let attack = attacks[site.round]
            let usage = ProcessUsage(site.daemon)
            let (descriptors, memory) = (usage.descriptors, usage.residentKiB)
            let (cpu, began) = (usage.cpuSeconds, ContinuousClock.now)
            let injections = site.injections
            do {
                var client = HostileClient(site.daemon, site.generator.split())
                try client.run(attack, for: 1)
                site.injections += client.injections
                for text in client.unexpectedResponses.prefix(3) { site.history.violated(.honesty, text) }
            }
            let share = (usage.cpuSeconds - cpu) / ((.now - began) / .seconds(1))
            if attack.isQuiet, share > HostileLimits.quietShare {
                site.history.violated(.honesty, "clients that send almost nothing used \(share) of a processor")
            }
            // A normal client can connect after the attack.
            let answer = try site.daemon.connect().exchange(
                "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", within: 15)
            if answer.status != 200 {
                site.history.violated(.honesty, "\(attack): afterwards healthz returned \(answer.status)")
            }
            let isFree = ProcessUsage.wait(upTo: HostileLimits.seconds) {
                usage.descriptors <= descriptors + HostileLimits.descriptors
            }
            if !isFree {
                site.history.violated(
                    .honesty, "\(attack): \(usage.descriptors) descriptors are open, and \(descriptors) were before")
            }
            let isBack = ProcessUsage.wait(upTo: HostileLimits.memorySeconds) {
                usage.residentKiB - memory <= HostileLimits.memoryKiB
            }
            let grown = usage.residentKiB - memory
            if !isBack { site.history.violated(.honesty, "\(attack): the daemon uses \(grown) KiB more than before") }
            print(
                "F13 \(attack): \(site.injections - injections) times, \(Int(share * 100)) % of a processor, \(grown) KiB more"
            )
        }
    }
}

/// The limits of what hostile clients may cost.
private enum HostileLimits {
    /// The share of a processor, including the load of the normal clients.
    static let quietShare = 0.9
    /// The normal clients open and close this many descriptors meanwhile.
    static let descriptors = 12
    /// The time until the connections of disconnected clients are closed. It is shorter than the
    /// deadline of a request, so the daemon has to detect the disconnect.
    static let seconds = 5.0
    /// The daemon keeps some memory for later requests: arenas of the allocator, rings of frames.
    static let memoryKiB = 64 * 1024
    /// The daemon returns free memory some seconds after many connections have closed.
    static let memorySeconds = 20.0
}
