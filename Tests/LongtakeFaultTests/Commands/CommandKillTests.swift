import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Commands {
    /// Two programs at work: ffmpeg, which begins again after each crash, and a program that
    /// speaks the protocol and goes on from its checkpoint.
    private static let pipelines = """
        default: film
        pipelines:
          film:
            description: A test picture as a video.
            input:
              length: {type: number, minimum: 1, maximum: 60, default: 8}
            stages:
              - name: encode
                queue: cpu
                seconds: 6
                command: [./encode.py, "{input.length}"]
                progress: ffmpeg
                length_seconds: "{input.length}"
                write_paths: [NOTES]
                environment: {TEST_NOTES: NOTES}
                artifacts: [{path: video.mp4, type: video/mp4}]
          count:
            description: Counts, and goes on from its checkpoint.
            input:
              to: {type: integer, minimum: 1, maximum: 1000, default: 60}
            stages:
              - name: count
                queue: cpu
                seconds: 6
                protocol: 1
                command: [./count.py]
                write_paths: [NOTES]
                environment: {TEST_NOTES: NOTES}
        """

    private static let programs = [
        "encode.py": """
        begin("encode")
        os.execvp("ffmpeg", ["ffmpeg", "-y", "-nostats", "-nostdin", "-progress", "pipe:1", "-f", "lavfi", "-i",
            "testsrc2=size=1280x720:rate=25:duration=" + sys.argv[1], "-c:v", "libx264", "-preset", "slow",
            "-pix_fmt", "yuv420p", "video.mp4"])
        """,
        "count.py": """
        begin("count")
        work = json.load(sys.stdin)
        to = work["input"]["to"]
        checkpoint = work["checkpoint"]
        done = checkpoint["data"]["done"] if checkpoint and checkpoint["data"] else 0
        note("count", "from", done)
        for number in range(done + 1, to + 1):
            time.sleep(0.1)
            note("count", "did", number)
            say(progress=number / to, message=str(number), checkpoint={"done": number})
        with open("count.txt", "w") as file: file.write(str(to))
        say(artifact="count.txt", type="text/plain")
        say(output={"counted": to})
        """,
    ]

    /// A length that takes about 6 s on two cores.
    private static let seconds = 8

    /// F16. If the boot did not end the programs of the process before, two encoders would work
    /// for one stage. If a result were registered before its end, a half video would be visible.
    @Test(
        "F16: kills of the daemon during an encode leave no program, never run a stage twice, and make the video once",
        .tags(.slow), .enabled(if: Tool.exists("/usr/bin/ffmpeg"), "ffmpeg is not installed"))
    func killedDuringWork() async throws {
        try await onOwnThread {
            var generator = SeededGenerator(seed: CommandSeed.first)
            let kills = Campaign.isLong ? 10 : 3
            let site = try CommandSite(Self.pipelines, programs: Self.programs)
            let film = try site.daemon.submit("{\"pipeline\":\"film\",\"input\":{\"length\":\(Self.seconds)}}")
            let total = 40 + 25 * kills
            let count = try site.daemon.submit("{\"pipeline\":\"count\",\"input\":{\"to\":\(total)}}")
            var ends: [Duration] = []
            for kill in 1...kills {
                let end = try Self.killOnce(kill, site, film, count: (count, total), &generator)
                ends += end.map { [$0] } ?? []
            }
            let log = try site.wholeLog(of: film)
            try Self.checkFilm(film, log, site)
            try Self.checkCount(count, total, site)
            let worst = ends.max() ?? .zero
            print(
                "F16: \(kills) kills, seed \(CommandSeed.first); \(site.notes("encode", "starts").count) encodes, \(site.notes("count", "starts").count) counts; the last process ended after \(worst) at worst"
            )
            try Self.checkStorage(site)
        }
    }

    /// - Returns: how long the programs lived after the kill; `nil` if the daemon was started at
    ///   once, so that it had to end them itself.
    private static func killOnce(
        _ kill: Int, _ site: CommandSite, _ film: String, count: (id: String, total: Int),
        _ generator: inout SeededGenerator
    ) throws -> Duration? {
        // A program can be killed before its first note.
        #expect(site.processes.waitForStart(within: 30), "the stages run")
        poll(nil, 0, CInt(generator.draw(100...1_400)))
        let told = Int((try site.progress(of: count.id) * Double(count.total)).rounded(.down))
        let known = site.notes("count", "from").count
        let supervisors = MarkedProcesses.children(of: site.daemon.pid)
        site.daemon.kill()
        #expect(site.daemon.lastStatus == 128 + SIGKILL)
        var time: Duration?
        if generator.percent(70) {
            let end = site.processes.waitForEnd(within: 1)
            #expect(end.left.isEmpty, "after a second there are \(MarkedProcesses.describe(end.left))")
            #expect(ProcessUsage.wait(upTo: 1) { !supervisors.contains(where: MarkedProcesses.isRunning) })
            time = end.time
        }
        try site.daemon.start()
        #expect(try site.artifacts(of: film) == [], "kill \(kill): a result is visible before its stage ended")
        #expect(try site.download("video.mp4", of: film).status == 404)
        _ = ProcessUsage.wait(upTo: 30) { site.notes("count", "from").count > known }
        for run in site.notes("count", "from").dropFirst(known) {
            #expect((Int(run[2]) ?? 0) >= told, "kill \(kill): \(told) was told, and it went on from \(run[2])")
        }
        return time
    }

    private static func checkFilm(_ film: String, _ log: JobLog, _ site: CommandSite) throws {
        #expect(log.types.last == "job.succeeded")
        #expect(!log.types.contains("stage.retrying"), "a crash uses up no attempt")
        let created = log.lines.filter { $0.contains(#""type":"artifact.created""#) }
        #expect(created.count == 1, "the video is made once")
        #expect(site.notes("encode", "overlaps") == [] && site.notes("count", "overlaps") == [])
        #expect(try site.artifacts(of: film) == ["video.mp4"])
        let (status, path) = try site.download("video.mp4", of: film)
        try #require(status == 200)
        let hash = try Tool.output("/usr/bin/sha256sum", path).prefix(64)
        #expect(created.first?.contains("\"sha256\":\"\(hash)\"") == true, "the content is what the event told")
        // It reads every packet, and prints an error for each one that is damaged.
        let frames = try Tool.output(
            "/usr/bin/ffprobe", "-v", "error", "-count_packets", "-select_streams", "v:0", "-show_entries",
            "stream=nb_read_packets", "-of", "csv=p=0", path)
        #expect(frames.split(separator: "\n").first.map(String.init) == "\(25 * seconds)", "\(frames)")
        #expect(try Tool.output("/usr/bin/ffmpeg", "-v", "error", "-i", path, "-f", "null", "-") == "")
    }

    private static func checkCount(_ count: String, _ total: Int, _ site: CommandSite) throws {
        let log = try site.wholeLog(of: count)
        #expect(log.types.last == "job.succeeded" && !log.types.contains("stage.retrying"))
        let numbers = site.notes("count", "did").compactMap { Int($0[2]) }
        #expect(Set(numbers) == Set(1...total), "a resumed run leaves nothing out")
        // Without checkpoints every run would count from 1.
        let runs = site.notes("count", "from").count
        #expect(numbers.count < total + 15 * runs, "\(numbers.count) steps in \(runs) runs")
        #expect(try site.artifacts(of: count) == ["count.txt"])
    }

    /// The daemon is stopped. Its data have the two results and nothing else.
    private static func checkStorage(_ site: CommandSite) throws {
        #expect(site.daemon.stop() == 0)
        let (status, output) = try DaemonProcess.run(["check", "--data", site.daemon.directory + "/data"], within: 60)
        #expect(status == 0, "\(output)")
        #expect(
            site.files(below: "work") == [] && site.files(below: "files").count == 2, "\(site.files(below: "files"))")
        #expect(site.processes.all == [])
    }
}

/// The seed of the moments of these tests.
enum CommandSeed {
    static let first = getenv("LONGTAKE_SEED").flatMap { UInt64(String(cString: $0)) } ?? 20_261_127
}
