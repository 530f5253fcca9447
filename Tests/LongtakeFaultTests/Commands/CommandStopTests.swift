import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Commands {
    /// How a program tries to outlive its stop.
    enum Stubbornness: String, CaseIterable {
        /// It has a child that does not end.
        case forks
        /// It has a grandchild in another session.
        case setsid
        /// It ignores SIGTERM.
        case ignores
        /// It closes its streams.
        case closes
        /// It stops itself, and a child of it does so too.
        case stops
    }

    private static let stubborn = [
        "stubborn.py": """
        kind = sys.argv[1]
        with open("half.bin", "wb") as file: file.write(b"x" * 1000000)
        if kind == "forks" and os.fork() == 0:
            time.sleep(1000)
        if kind == "setsid" and os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
                note(kind, "ready", os.getpid())
                time.sleep(1000)
            os._exit(0)
        if kind == "ignores":
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
        if kind == "closes":
            for number in (0, 1, 2): os.close(number)
        if kind == "stops" and os.fork() == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
        if kind != "setsid": note(kind, "ready", os.getpid())
        if kind == "stops": os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(1000)
        """
    ]

    private static func stubbornPipeline(_ more: String) -> String {
        """
        default: stubborn
        pipelines:
          stubborn:
            description: Tries to outlive its stop.
            input:
              kind: {type: string, required: true, enum: [forks, setsid, ignores, closes, stops]}
            stages:
              - name: work
                queue: cpu
                seconds: 5
                command: [./stubborn.py, "{input.kind}"]
                grace_seconds: 1
                retry: {attempts: 1}
                write_paths: [NOTES]
                environment: {TEST_NOTES: NOTES}
                artifacts: [{path: half.bin, type: application/octet-stream}]
                \(more)
        """
    }

    private static func submit(_ kind: Stubbornness, to site: CommandSite) throws -> String {
        try site.daemon.submit("{\"input\":{\"kind\":\"\(kind.rawValue)\"}}")
    }

    /// Without the search for descendants in the supervisor, the grandchild of `setsid` stays.
    @Test(
        "F17: a cancel ends every process of a stage, and keeps no file of it", .tags(.slow))
    func canceled() async throws {
        try await onOwnThread {
            let site = try CommandSite(Self.stubbornPipeline(""), programs: Self.stubborn)
            let jobs = try Stubbornness.allCases.map { (kind: $0, id: try Self.submit($0, to: site)) }
            for job in jobs {
                try site.wait(for: 1, job.kind.rawValue, "ready")
                #expect(try site.daemon.post("/v1/jobs/\(job.id)/cancel").status / 100 == 2)
                let log = try site.wholeLog(of: job.id)
                #expect(log.types.last == "job.canceled", "\(job.kind): \(log.types)")
                #expect(try site.artifacts(of: job.id) == [])
            }
            try Self.checkNothingIsLeft(of: site)
        }
    }

    @Test(
        "F17: a time limit ends every process of a stage, and keeps no file of it", .tags(.slow))
    func timedOut() async throws {
        try await onOwnThread {
            let site = try CommandSite(Self.stubbornPipeline("time_limit_seconds: 4"), programs: Self.stubborn)
            let jobs = try Stubbornness.allCases.map { (kind: $0, id: try Self.submit($0, to: site)) }
            for job in jobs {
                let log = try site.wholeLog(of: job.id)
                #expect(log.types.last == "job.failed")
                #expect(log.lines.last?.contains("stage_timed_out") == true, "\(job.kind): \(log.lines.last ?? "")")
                #expect(try site.artifacts(of: job.id) == [])
            }
            try Self.checkNothingIsLeft(of: site)
        }
    }

    /// The event of the end is written after the processes have ended.
    private static func checkNothingIsLeft(of site: CommandSite) throws {
        let left = site.processes.waitForEnd(within: 1).left
        #expect(left == [], "\(MarkedProcesses.describe(left))")
        for kind in Stubbornness.allCases { #expect(site.notes(kind.rawValue, "ready").count == 1) }
        #expect(ProcessUsage.wait(upTo: 5) { site.files(below: "work") == [] }, "\(site.files(below: "work"))")
        #expect(site.files(below: "files") == [])
        #expect(site.daemon.stop() == 0)
    }
}
