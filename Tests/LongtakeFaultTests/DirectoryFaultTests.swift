import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Surroundings {
    /// F7. Without the lock file both write, and number their events the same: O2.
    @Test(
        "F7: a second daemon on the directory of one under load leaves with a message, the first unharmed", .tags(.slow)
    )
    func secondDaemon() async throws {
        try await Campaign("F7", rounds: 2).run { site in
            site.rest(50...400)
            let begin = ["serve", "--data", site.daemon.directory + "/data", "--port", "0"]
            let (status, output) = try DaemonProcess.run(begin)
            if status != 1 || !output.contains("another daemon uses") {
                site.history.violated(.honesty, "the second daemon ended with \(status): \(output)")
            }
            site.injections += 1
            // And one that is started in the middle of the first one's end has its place.
            site.daemon.signal(site.generator.percent(50) ? SIGKILL : SIGTERM)
            try site.daemon.startBesidePredecessor()
        }
    }
}
