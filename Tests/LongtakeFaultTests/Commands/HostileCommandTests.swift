import Glibc
import LongtakeDaemonDriver
import Synchronization
import Testing

extension FaultTests.Commands {
    private static let hostilePipelines = """
        default: hostile
        pipelines:
          hostile:
            description: Harms others, as far as it can.
            input:
              kind: {type: string, required: true, enum: [reads, writes, floods, garbage, line, reports, fills]}
            stages:
              - name: work
                queue: cpu
                seconds: 5
                protocol: 1
                command: [./hostile.py, "{input.kind}"]
                grace_seconds: 1
                time_limit_seconds: LIMIT
                retry: {attempts: 1}
                write_paths: [NOTES]
                environment: {TEST_NOTES: NOTES}
          fails:
            description: Exits at once.
            input: {}
            stages:
              - {name: work, queue: cpu, seconds: 5, command: ["false"], retry: {attempts: 1}}
          calm:
            description: The work of somebody else.
            input: {}
            stages:
              - name: work
                queue: cpu
                seconds: 5
                protocol: 1
                command: [./calm.py]
                write_paths: [NOTES]
                environment: {TEST_NOTES: NOTES}
        """

    private static let hostilePrograms = [
        "calm.py": """
        begin("calm")
        number = 0
        while True:
            number += 1
            say(progress=min(0.9, number / 10000), message="step " + str(number))
            time.sleep(0.1)
        """,
        "hostile.py": """
        kind = sys.argv[1]
        # The working directory is DATA/work/JOB/STAGE/ATTEMPT.
        own = os.getcwd()
        jobs = os.path.dirname(os.path.dirname(os.path.dirname(own)))
        data = os.path.dirname(jobs)

        def attempt(what, action):
            try:
                action()
                note(kind, what, "allowed")
            except OSError as error:
                note(kind, what, "refused", error.errno)

        if kind == "reads":
            with open(NOTES + "/other") as file: other = file.read().strip()
            daemon = other.split()[1]
            attempt("database", lambda: open(data + "/longtake.db", "rb").read(1))
            attempt("keys", lambda: open(data + "/keys.json", "rb").read(1))
            attempt("data", lambda: os.listdir(data))
            attempt("jobs", lambda: os.listdir(jobs))
            attempt("job", lambda: open(jobs + "/" + other.split()[0] + "/work/1/stage.json").read(1))
            attempt("contents", lambda: os.listdir(data + "/files"))
            attempt("memory", lambda: open("/proc/" + daemon + "/mem", "rb").read(1))
            attempt("environment", lambda: open("/proc/" + daemon + "/environ", "rb").read(1))
            # Before ABI 6 (Linux 6.12) Landlock does not refuse signals.
            abi = ctypes.CDLL(None).syscall(444, None, 0, 1)
            if abi >= 6: attempt("signal", lambda: os.kill(int(daemon), signal.SIGKILL))
            else: note(kind, "signal", "untried")
            attempt("own", lambda: os.listdir(own))
        if kind == "writes":
            attempt("program", lambda: open(NOTES + "/../programs/hostile.py", "a"))
            attempt("database", lambda: open(data + "/longtake.db", "ab"))
            attempt("temporary", lambda: open("/tmp/longtake-escape-" + str(os.getpid()), "w"))
            attempt("etc", lambda: open("/etc/longtake-escape", "w"))
            attempt("move", lambda: os.rename(own + "/stage.json", data + "/stage.json"))
            attempt("own", lambda: open(own + "/file", "w"))
        if kind == "floods":
            subprocess.run("timeout 4 yes & timeout 4 yes >&2; wait", shell=True)
        if kind == "garbage":
            for _ in range(64):
                sys.stdout.buffer.write(os.urandom(65536))
                sys.stderr.buffer.write(os.urandom(65536))
        if kind == "line":
            subprocess.run(["head", "-c", "1G", "/dev/zero"])
        if kind == "reports":
            for number in range(100000): print(json.dumps({"progress": number / 100001, "message": str(number)}))
        if kind == "fills":
            # Each file stays below the limit of one file.
            for number in range(20):
                with open(f"large.bin.{number}", "wb") as file: file.write(b"x" * 1000000)
            time.sleep(1000)
        note(kind, "ends")
        """,
    ]

    /// The resident memory that the daemon may have, in KiB. A debug build that has served requests
    /// has about 60 MB.
    private static let memoryLimit = 256 * 1024
    /// The events of the other stream that must have arrived meanwhile. It reports ten times a second,
    /// and the test takes longer than ten seconds.
    private static let events = 10

    @Test(
        "F19: hostile commands cannot read or write the data of others, and disturb neither daemon nor streams",
        .tags(.slow))
    func hostile() async throws {
        try await onOwnThread {
            let limit = Campaign.isLong ? "600" : "8"
            let site = try CommandSite(
                Self.hostilePipelines.replacing("LIMIT", with: limit), programs: Self.hostilePrograms,
                environment: ["LONGTAKE_LIMITS_STAGE_DISK_GIGABYTES=0.01"])
            let key = site.daemon.directory + "/data/keys.json"
            try Tool.run("/bin/sh", "-c", "[ -e \(key) ] || echo '{}' > \(key)")
            let calm = try site.daemon.submit(#"{"pipeline":"calm"}"#)
            try site.wait(for: 1, "calm", "starts")
            try Tool.run("/bin/sh", "-c", "echo \(calm) \(site.daemon.pid) > \(site.directory)/notes/other")
            let pulse = StreamPulse(try site.daemon.follow(calm))
            var memory = MemoryWatch(site.daemon)
            try Self.checkAccess(site, &memory)
            try Self.checkOutput(site, &memory)
            try Self.checkFailures(site, &memory)
            #expect(try site.daemon.post("/v1/jobs/\(calm)/cancel").status / 100 == 2)
            let (events, gap) = try pulse.end()
            print(
                "F19: \(memory.first) KiB before, at most \(memory.most) KiB; the other stream had \(events) events, its longest silence was \(gap) s"
            )
            #expect(memory.most < Self.memoryLimit, "the daemon has \(memory.most) KiB")
            #expect(events >= Self.events, "the other stream had \(events) events")
            #expect(site.processes.waitForEnd(within: 5).left == [])
            #expect(site.daemon.stop() == 0)
        }
    }

    /// Runs a job to its end.
    /// - Returns: its final event.
    private static func run(_ kind: String, on site: CommandSite, _ memory: inout MemoryWatch) throws -> String {
        let job = try site.daemon.submit("{\"input\":{\"kind\":\"\(kind)\"}}")
        try memory.watch(job, on: site)
        return try site.wholeLog(of: job).lines.last ?? ""
    }

    private static func checkAccess(_ site: CommandSite, _ memory: inout MemoryWatch) throws {
        for kind in ["reads", "writes"] {
            #expect(try run(kind, on: site, &memory).contains("job.succeeded"))
            let tries = site.notes(kind).filter { $0.count > 2 }
            #expect(tries.count == (kind == "reads" ? 10 : 6), "\(tries)")
            for words in tries {
                #expect((words[2] == "allowed") == (words[1] == "own"), "\(words)")
            }
        }
    }

    private static func checkOutput(_ site: CommandSite, _ memory: inout MemoryWatch) throws {
        for kind in ["floods", "garbage", "reports"] {
            let end = try run(kind, on: site, &memory)
            #expect(end.contains("job.succeeded") || end.contains("stage_timed_out"), "\(kind): \(end)")
        }
        // At 4 MiB/s the line of 1 GB takes 256 s. The short form ends it earlier.
        let line = try run("line", on: site, &memory)
        #expect(line.contains(Campaign.isLong ? "job.succeeded" : "stage_timed_out"), "\(line)")
        let fills = try run("fills", on: site, &memory)
        #expect(fills.contains(#""code":"disk_limit""#), "\(fills)")
        #expect(ProcessUsage.wait(upTo: 5) { site.files(below: "work").count { $0.contains("large.bin") } == 0 })
    }

    private static func checkFailures(_ site: CommandSite, _ memory: inout MemoryWatch) throws {
        let jobs = try (1...200).map { _ in try site.daemon.submit(#"{"pipeline":"fails"}"#) }
        for job in jobs {
            try memory.watch(job, on: site)
            #expect(try site.job(job)["state"] as? String == "failed")
        }
    }
}

/// Samples the daemon's memory while a job runs.
private struct MemoryWatch {
    let usage: ProcessUsage
    let first: Int
    var most: Int

    init(_ daemon: DaemonProcess) {
        usage = ProcessUsage(daemon)
        first = usage.residentKiB
        most = first
    }

    mutating func watch(_ id: String, on site: CommandSite) throws {
        let deadline = Deadline(700)
        while !["succeeded", "failed", "canceled"].contains(try site.job(id)["state"] as? String ?? "") {
            most = max(most, usage.residentKiB)
            try #require(!deadline.isOver, "\(id) does not end")
            poll(nil, 0, 50)
        }
    }
}

/// Reads a stream on a thread of its own, and measures its silences.
private final class StreamPulse: Sendable {
    private let state = Mutex((events: 0, gap: 0.0, isOver: false))

    init(_ reader: sending EventReader) {
        let reader = Reader(reader)
        BlockingThread.run {
            var last = ContinuousClock.now
            while let block = try? reader.reader.next(within: 30) {
                guard block.isLogged else { continue }
                let now = ContinuousClock.now
                self.state.withLock {
                    $0.events += 1
                    $0.gap = max($0.gap, (now - last) / .seconds(1))
                }
                last = now
            }
            self.state.withLock { $0.isOver = true }
        }
    }

    /// Only the thread uses it.
    private final class Reader: @unchecked Sendable {
        let reader: EventReader

        init(_ reader: EventReader) { self.reader = reader }
    }

    /// Waits for the end of the stream.
    /// - Returns: the number of events, and the longest silence in seconds.
    func end() throws -> (events: Int, gap: Double) {
        try #require(ProcessUsage.wait(upTo: 60) { state.withLock { $0.isOver } }, "the stream has an end")
        return state.withLock { ($0.events, $0.gap) }
    }
}
