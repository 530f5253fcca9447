import GRDB
import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Disks {
    /// More submissions than the disk takes.
    private static let crowd = 1_900

    // Seen to fail without the bound in CommandLanes: none was refused, and all had to wait.
    @Test(
        "F5: submissions beyond the bound get 503 and Retry-After at once, and only what got 201 is kept", .tags(.slow))
    func tooManySubmissions() async throws {
        try await Campaign.repeated("F5, overload") {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let disk = try FaultControl(directory: directory)
            let daemon = try DaemonProcess(environment: disk.environment + ["LONGTAKE_QUEUES_CPU_WORKERS=0"])
            var lines: [Socket] = []
            for _ in 0..<Self.crowd { lines.append(try daemon.connect()) }
            disk[.syncDelay] = 10_000_000
            for (number, line) in lines.enumerated() {
                try line.send(DaemonProcess.submission(#"{"input":{"prompt":"number \#(number)"}}"#))
            }
            // Who is refused is told so while the disk is busy, and so is who only asks.
            let isRefused = ProcessReading.wait(upTo: 9) { lines.contains { $0.hasBytes } }
            #expect(isRefused)
            #expect(
                try daemon.connect().exchange("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", within: 9).status
                    == 200)
            disk.calm()
            var (kept, refused): (Set<String>, Int) = ([], 0)
            for (number, line) in lines.enumerated() {
                let answer = try line.readResponse(within: 30)
                if answer.status == 201 {
                    kept.insert("number \(number)")
                } else {
                    #expect(answer.status == 503)
                    #expect(answer["retry-after"] == "2")
                    refused += answer.body.contains("urn:longtake:problem:overloaded") ? 1 : 0
                }
            }
            print("F5: \(kept.count) accepted, \(refused) refused at once")
            #expect(refused > 0, "those for whom the lane had no room")
            // What waits, and a commit that was under way; less where the machine is so slow that what waited was told that the disk does not answer.
            #expect(kept.count <= 1_536)
            #expect(daemon.stop() == 0)
            // O1: what was acknowledged is kept, and what was refused is not there.
            let database = try DatabaseQueue(path: daemon.directory + "/data/longtake.db")
            let stored = try database.read { db in
                try String.fetchAll(db, sql: "SELECT json_extract(input, '$.prompt') FROM job")
            }
            #expect(stored.count == kept.count)
            #expect(Set(stored) == kept)
            try database.close()
            try DatabaseFile(daemon.directory + "/data").check()
        }
    }
}
