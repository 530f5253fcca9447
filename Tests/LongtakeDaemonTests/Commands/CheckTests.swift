import GRDB
import LongtakeDaemonDriver
import Testing

/// `longtake check --data`.
@Suite(.serialized) struct CheckTests {
    @Test("verifies the database of a stopped or killed daemon, and reports errors with exit status 1")
    func check() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "20")
            let data = daemon.directory + "/data"
            for _ in 0..<3 { _ = try daemon.submit() }
            let busy = try DaemonProcess.run(["check", "--data", data])
            #expect(busy.status == 1 && busy.output.contains("a daemon uses"), "\(busy.output)")
            daemon.kill()
            let (status, output) = try DaemonProcess.run(["check", "--data", data])
            #expect(status == 0 && output.contains("No errors found."), "\(output)")
            let sound = try JSON.object(try DaemonProcess.run(["check", "--data", data, "--json"]).output)
            #expect(sound["jobs"] as? Double == 3 && sound["schema_age"] as? String == "current")

            let queue = try DatabaseQueue(path: data + "/longtake.db")
            try queue.write { try $0.execute(sql: "UPDATE event SET seq = 99 WHERE job = 1 AND seq = 1") }
            try queue.close()
            let broken = try DaemonProcess.run(["check", "--data", data])
            #expect(broken.status == 1 && broken.output.contains("whole_log") && broken.output.contains("job_"))
            #expect(broken.output.contains("errors found."))
        }
    }

    @Test("reports a missing database")
    func nothing() async throws {
        try await onOwnThread {
            let none = try DaemonProcess.run(["check", "--data", "/nonexistent"])
            #expect(none.status == 1 && none.output.contains("there is no database"), "\(none.output)")
            #expect(try DaemonProcess.run(["check", "--json"]).status == 2)
        }
    }
}
