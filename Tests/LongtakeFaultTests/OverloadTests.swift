import GRDB
import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Disks {
    /// More submissions than the lane of submissions accepts while a commit runs.
    private static let submissionCount = 1_900

    // This test failed without the limit in CommandLanes: no submission was rejected, and all had
    // to wait.
    @Test(
        "F5: submissions beyond the limit get 503 with Retry-After at once, and only jobs that got 201 are stored",
        .tags(.slow))
    func tooManySubmissions() async throws {
        try await Campaign.repeated("F5, overload") {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let disk = try FaultControl(directory: directory)
            let daemon = try DaemonProcess(environment: disk.environment + ["LONGTAKE_QUEUES_CPU_WORKERS=0"])
            var lines: [Socket] = []
            for _ in 0..<Self.submissionCount { lines.append(try daemon.connect()) }
            disk[.syncDelay] = 10_000_000
            for (number, line) in lines.enumerated() {
                try line.send(RequestText.submission(#"{"input":{"prompt":"number \#(number)"}}"#))
            }
            // Rejected submissions get their responses while the disk is busy, and so do requests
            // that do not write.
            let isRejected = ProcessUsage.wait(upTo: 9) { lines.contains { $0.hasBytes } }
            #expect(isRejected)
            #expect(
                try daemon.connect().exchange("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", within: 9).status
                    == 200)
            disk.calm()
            var (accepted, rejected): (Set<String>, Int) = ([], 0)
            for (number, line) in lines.enumerated() {
                let answer = try line.readResponse(within: 30)
                if answer.status == 201 {
                    accepted.insert("number \(number)")
                } else {
                    #expect(answer.status == 503)
                    #expect(answer["retry-after"] == "2")
                    rejected += answer.body.contains("urn:longtake:problem:overloaded") ? 1 : 0
                }
            }
            print("F5: \(accepted.count) accepted, \(rejected) rejected at once")
            #expect(rejected > 0, "the lane was full")
            // At most the waiting submissions and those in the commit are accepted. On a slow
            // machine fewer are, because the daemon rejects waiting ones when the disk does not
            // answer.
            #expect(accepted.count <= 1_536)
            #expect(daemon.stop() == 0)
            // O1: the acknowledged jobs are stored, and the rejected ones are not.
            let database = try DatabaseQueue(path: daemon.directory + "/data/longtake.db")
            let stored = try database.read { db in
                try String.fetchAll(db, sql: "SELECT json_extract(input, '$.prompt') FROM job")
            }
            #expect(stored.count == accepted.count)
            #expect(Set(stored) == accepted)
            try database.close()
            try DatabaseFile(daemon.directory + "/data").check()
        }
    }
}
