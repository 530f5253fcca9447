import Glibc
import LongtakeDaemonDriver
import Testing

extension DaemonProcess {
    /// The environment of a daemon for tests of a shutdown. No events or heartbeats precede those
    /// of the shutdown, and the grace period is long enough for a busy machine.
    static let drained = [
        "LONGTAKE_QUEUES_CPU_WORKERS=0", "LONGTAKE_STREAM_HEARTBEAT_SECONDS=300", "LONGTAKE_SHUTDOWN_GRACE_SECONDS=30",
    ]

    /// Begins a shutdown with several open streams of the job. Returns when the first of them has
    /// received stream.end.
    func beginDrain(before count: Int, of id: String) throws -> [EventReader] {
        let readers = try (0..<count).map { _ in try follow(id, "?after=1") }
        for reader in readers { #expect(try reader.next()?.event == "stream.hello") }
        signal(SIGTERM)
        #expect(Socket.waitForBytes(on: readers.map(\.socket), within: 20))
        return readers
    }
}
