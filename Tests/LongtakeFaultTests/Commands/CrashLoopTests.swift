import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Commands {
    private static let loopPipelines = """
        default: silent
        pipelines:
          silent:
            description: Writes nothing.
            input: {}
            stages:
              - name: work
                queue: cpu
                seconds: 5
                command: [./silent.py]
                write_paths: [NOTES]
                environment: {TEST_NOTES: NOTES}
          speaks:
            description: Reports before each crash.
            input: {}
            stages:
              - name: work
                queue: cpu
                seconds: 5
                protocol: 1
                command: [./speaks.py]
                write_paths: [NOTES]
                environment: {TEST_NOTES: NOTES}
        """

    private static let loopPrograms = [
        "silent.py": """
        begin("silent")
        time.sleep(1000)
        """,
        "speaks.py": """
        begin("speaks")
        with open(NOTES + "/notes") as file: runs = sum(line.startswith("speaks starts") for line in file)
        say(progress=runs / 100, message="run " + str(runs))
        time.sleep(1000)
        """,
    ]

    /// Without `CrashLoop` the daemon takes up the stage for ever. If every command stage were
    /// suspected, the stage that reports would fail too.
    @Test(
        "F18: a silent command fails after 10 crashes in a row, and one that reports is resumed", .tags(.slow))
    func crashLoop() async throws {
        try await onOwnThread {
            let site = try CommandSite(Self.loopPipelines, programs: Self.loopPrograms)
            let silent = try site.daemon.submit(#"{"pipeline":"silent"}"#)
            let speaks = try site.daemon.submit(#"{"pipeline":"speaks"}"#)
            for crash in 1...10 {
                try site.wait(for: crash, "silent", "starts")
                let hasReported = try ProcessUsage.wait(upTo: 30) {
                    try site.progress(of: speaks) > Double(crash) / 100 - 0.001
                }
                #expect(hasReported)
                #expect(try site.job(silent)["state"] as? String == "running", "before crash \(crash)")
                site.daemon.kill()
                try site.daemon.start()
            }
            let log = try site.wholeLog(of: silent)
            #expect(log.types.filter { $0 == "job.resumed" }.count == 9 && log.types.last == "job.failed")
            #expect(log.lines.last?.contains(#""code":"crash_loop""#) == true, "\(log.lines.last ?? "")")
            try site.wait(for: 11, "speaks", "starts")
            #expect(try site.job(speaks)["state"] as? String == "running")
            #expect(site.notes("silent", "starts").count == 10, "there is no run after the tenth crash")
            #expect(try site.daemon.post("/v1/jobs/\(speaks)/cancel").status / 100 == 2)
            #expect(try site.wholeLog(of: speaks).types.last == "job.canceled")
            #expect(site.daemon.stop() == 0)
            let (status, output) = try DaemonProcess.run(
                ["check", "--data", site.daemon.directory + "/data"], within: 60)
            #expect(status == 0, "\(output)")
        }
    }
}
