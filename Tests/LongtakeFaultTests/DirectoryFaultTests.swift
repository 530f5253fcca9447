import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Environment {
    /// F7. Without the lock file both daemons write, and give their events the same numbers (O2).
    @Test(
        "F7: a second daemon on a directory in use exits with a message, and the first one continues", .tags(.slow)
    )
    func secondDaemon() async throws {
        try await Campaign("F7", rounds: 2).run { site in
            site.rest(50...400)
            let begin = ["serve", "--data", site.daemon.directory + "/data", "--port", "0"]
            let (status, output) = try DaemonProcess.run(begin)
            if status != 1 || !output.contains("another daemon uses") {
                site.history.violated(.honesty, "the second daemon exited with \(status): \(output)")
            }
            site.injections += 1
            // A daemon that starts while the first one still exits gets the directory afterwards.
            site.daemon.signal(site.generator.percent(50) ? SIGKILL : SIGTERM)
            try site.daemon.startBesidePredecessor()
        }
    }
}
