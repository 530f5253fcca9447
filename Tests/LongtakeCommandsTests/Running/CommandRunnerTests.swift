import Glibc
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeCommands

@Suite("command runner")
struct CommandRunnerTests {
    private let stage = CommandStage()

    private func cat(_ path: String) -> CommandWork { CommandStage.work("cat \(path) >&2; exit 1") }

    @Test("succeeds with the last output of the program, and reports progress that never falls")
    func success() async throws {
        let result = await stage.run(
            """
            echo '{"progress": 0.5, "message": "half"}'
            echo '{"progress": 0.2}'
            echo '{"progress": 7, "checkpoint": {"step": 3}}'
            echo '{"output": {"a": 1}}'; echo '{"output": {"a": 2}}'
            echo plain
            """)
        #expect(try result.get().output == .object(["a": .integer(2)]))
        #expect(
            stage.reports.list == [
                StageReport(progress: Progress(0.5), message: "half"),
                StageReport(progress: Progress(0.5), message: "half"),
                StageReport(progress: .complete, message: "half", checkpoint: .object(["step": .integer(3)])),
            ])
        #expect(await stage.log == "plain\n")
    }

    @Test("gives the document as a file and on standard input, which then ends")
    func document() async {
        let result = await stage.run("cat > a; cmp a stage.json && exit 3")
        #expect(result.stageFailure?.message == "the program exited with status 3")
    }

    @Test("gives /dev/null as standard input to a program without the protocol")
    func noInput() async {
        let result = await stage.run(
            CommandStage.claim(CommandStage.work("test -f stage.json && cat | wc -c >&2; exit 1", usesProtocol: false)))
        #expect(result.stageFailure?.detail == "0\n")
    }

    @Test("a program that does not read its standard input succeeds")
    func unreadInput() async throws {
        let claim = CommandStage.claim(
            CommandStage.work("exit 0"), input: .object(["a": .string(String(repeating: "x", count: 300_000))]))
        _ = try await stage.run(claim).get()
    }

    @Test("sets few variables: those of the stage, the configuration, and the named ones of the daemon")
    func environment() async {
        let work = CommandStage.work("env | sort >&2; exit 1", environment: ["OWN": "1", "LONGTAKE_JOB": "x"])
        let text = await stage.run(CommandStage.claim(work, attempt: 2)).stageFailure?.detail ?? ""
        let directory = stage.directory(attempt: 2)
        let expected = [
            "HOME=\(directory)/home", "LANG=C.UTF-8", "LONGTAKE_ATTEMPT=2", "LONGTAKE_JOB=\(CommandStage.job)",
            "LONGTAKE_STAGE=encode", "OWN=1", "PASSED=yes", "PATH=/usr/bin:/bin", "TMPDIR=\(directory)/tmp",
        ]
        let lines = text.split(separator: "\n").map(String.init)
        #expect(expected.allSatisfy(lines.contains))
        #expect(!text.contains("SECRET"))
        let trace = lines.first { $0.hasPrefix("TRACEPARENT=") }
        #expect(trace?.wholeMatch(of: #/TRACEPARENT=00-[0-9a-f]{32}-0000000000000007-01/#) != nil)
    }

    @Test("places the files, texts and artifacts that the arguments name")
    func placeholders() async {
        let image = stage.store.add("image")
        let frames = stage.store.add("frames")
        let name = ArtifactName("frames 1.mkv")!
        let record = ArtifactRecord(
            artifact: Artifact(name: name, type: "video/x-matroska", content: frames, role: .intermediate),
            stage: StageName(unchecked: "frames"), createdAt: Timestamp(millisecondsSince1970: 0))
        let work = CommandStage.work(
            "for path; do echo \"$path\"; done >&2; cat \"$@\" >&2; exit 1", usesProtocol: false,
            more: [
                CommandArgument("sh"), CommandArgument([.file(field: "image")]),
                CommandArgument([.text(field: "prompt")]),
                CommandArgument([.artifact(name)]), CommandArgument([.artifact(ArtifactName("none")!)]),
                CommandArgument([.file(field: "other")]),
            ])
        let claim = CommandStage.claim(
            work, input: .object(["prompt": .string("-a 'boat'\n")]),
            files: ["image": InputFile(content: image, type: "image/png")], artifacts: [record])
        #expect(
            await stage.run(claim).stageFailure?.detail
                == "inputs/image.png\ninputs/prompt.txt\nartifacts/frames 1.mkv\nimage-a 'boat'\nframes")
    }

    @Test("fails for good if an artifact inside an argument does not exist")
    func missingPlaceholder() async {
        let work = CommandStage.work("", more: [CommandArgument([.literal("a="), .artifact(ArtifactName("none")!)])])
        let failure = await stage.run(CommandStage.claim(work)).stageFailure
        #expect(failure?.code == "artifact_missing" && failure?.isRetryable == false)
        #expect(stage.starter.launches.list.isEmpty)
    }

    @Test("begins each attempt with an empty directory, and removes it when the attempt has ended")
    func directories() async throws {
        _ = await stage.run("touch left; exit 1")
        #expect(!CommandStage.exists(stage.root + "/work/\(CommandStage.job)"))
        let second = await stage.run(CommandStage.claim(CommandStage.work("test ! -e left"), attempt: 2))
        _ = try second.get()
    }

    @Test("a stop ends the program, keeps its directory, and the same attempt finds it again with new inputs")
    func interruptionAndResume() async throws {
        let stage = stage
        let ready = Signal()
        let work = CommandStage.work(
            """
            if [ -e kept ]; then test -z "$(ls inputs)" && cat kept >&2; exit 4; fi
            trap 'echo "{\\"checkpoint\\": 5}"; exit 1' TERM
            touch inputs/x; echo was here > kept; echo '{"progress": 0.5}'; while :; do sleep 0.02; done
            """)
        let reports = StageReports(report: {
            stage.reports.add($0)
            ready.give()
        })
        let task = Task { try await stage.runner.run(CommandStage.claim(work), reports: reports) }
        await ready.wait()
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(stage.reports.list.last?.checkpoint == .integer(5))
        #expect(CommandStage.exists(stage.directory() + "/kept"))
        let checkpoint = Checkpoint(progress: Progress(0.5), data: .integer(5))
        let resumed = await stage.run(CommandStage.claim(work, checkpoint: checkpoint))
        #expect(resumed.stageFailure?.detail == "was here\n")
        #expect(!CommandStage.exists(stage.directory()))
    }

    @Test("a success after the stop stays a success")
    func successAfterStop() async throws {
        let stage = stage
        let ready = Signal()
        let work = CommandStage.work(
            """
            trap 'echo done > a; echo "{\\"artifact\\": \\"a\\"}"; exit 0' TERM
            echo '{"progress": 0.5}'; while :; do sleep 0.02; done
            """)
        let task = Task {
            try await stage.runner.run(CommandStage.claim(work), reports: StageReports(report: { _ in ready.give() }))
        }
        await ready.wait()
        task.cancel()
        #expect(try await task.value.artifacts.map(\.name.description) == ["a"])
    }

    @Test("kills a program that ignores the stop after its grace period")
    func grace() async throws {
        let stage = stage
        let ready = Signal()
        let work = CommandStage.work(
            "trap '' TERM; echo '{\"progress\": 0.5}'; while :; do sleep 0.02; done", graceSeconds: 0.2)
        let task = Task {
            try await stage.runner.run(CommandStage.claim(work), reports: StageReports(report: { _ in ready.give() }))
        }
        await ready.wait()
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("ends with the program, even if another process keeps its pipes open")
    func openPipes() async throws {
        let start = ContinuousClock.now
        _ = try await stage.run("sleep 20 & echo $!; echo '{\"output\": {}}'").get()
        #expect(ContinuousClock.now - start < .seconds(15))
        if let process = Int32(await stage.log.dropLast()) { kill(process, SIGKILL) }
    }

    @Test("an error message fails the stage, also with status 0, with the end of standard error")
    func errorMessage() async {
        let failure = await stage.run(
            #"echo '{"error": {"code": "no_face", "message": "no face", "retryable": true}}'; echo why >&2"#
        ).stageFailure
        #expect(failure == StageFailure(code: "no_face", message: "no face", isRetryable: true, detail: "why\n"))
    }

    @Test("retries after a signal that the runner did not send")
    func signal() async {
        let failure = await stage.run("kill -SEGV $$").stageFailure
        #expect(failure?.message == "the program was ended by SIGSEGV" && failure?.isRetryable == true)
    }

    @Test(
        "fails with the code of the start",
        arguments: [ProgramStartError.notExecutable("x"), .notConfined("y"), .failed("z")])
    func start(error: ProgramStartError) async {
        let stage = CommandStage(startError: error)
        #expect(await stage.run("").stageFailure == CommandVerdict.failure(of: error))
    }

    @Test("fails with disk_limit when the working directory grows beyond its limit")
    func diskLimit() async {
        let stage = CommandStage(limits: CommandLimits(stageDiskBytes: 1 << 20))
        let failure = await stage.run("head -c 3000000 /dev/zero > big; exec sleep 60").stageFailure
        #expect(failure?.code == "disk_limit" && failure?.isRetryable == false)
    }

    @Test("interrupts the stage when an input cannot be stored because the disk is full")
    func fullDisk() async {
        let image = stage.store.add("image")
        stage.store.fail(with: .full)
        let claim = CommandStage.claim(
            CommandStage.work(""), files: ["image": InputFile(content: image, type: "image/png")])
        await #expect(throws: StageInterruption(.disk)) { try await stage.run(claim).get() }
    }

    @Test("removes what jobs that have ended left behind, and nothing else")
    func leftovers() async throws {
        let other = JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t3")!
        for job in [CommandStage.job, other] {
            for path in ["", "/encode", "/encode/1", "/encode/1/home"] {
                mkdir(stage.root + "/work", 0o700)
                mkdir(stage.root + "/work/\(job)" + path, 0o700)
            }
        }
        try await stage.runner.removeLeftovers { $0 == other }
        #expect(!CommandStage.exists(stage.root + "/work/\(CommandStage.job)"))
        #expect(CommandStage.exists(stage.root + "/work/\(other)/encode/1/home"))
        await stage.runner.removeDirectories(of: other)
        #expect(!CommandStage.exists(stage.root + "/work/\(other)"))
    }

    @Test("reads percentages from standard error, whose lines a carriage return ends")
    func percent() async throws {
        let work = CommandStage.work(
            #"printf ' 10%%|#\r 55%%|##\r100%%|###\n' >&2; echo out"#, usesProtocol: false, progress: .percent)
        _ = try await stage.run(CommandStage.claim(work)).get()
        #expect(stage.reports.list.map(\.message) == ["10 %", "55 %", "100 %"])
        #expect(await stage.log.contains("out\n"))
    }
}
