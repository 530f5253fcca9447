import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

/// `longtake run-stage`.
@Suite struct RunStageTests {
    /// A pipeline with one stage for each test.
    private static let pipelines = """
        default: trial
        pipelines:
          trial:
            description: For tests.
            input:
              count: {type: integer, minimum: 1, maximum: 9, default: 2}
              picture: {type: file, accept: [image/png], maximum_megabytes: 1}
            stages:
              - {name: simulated, queue: cpu, seconds: 1, steps: 1, message: none}
              - name: make
                queue: cpu
                seconds: 1
                command: [sh, -c, "echo made > made.txt"]
                artifacts: [{path: made.txt, type: text/plain, role: intermediate}]
                output: {made: $count}
              - name: refuse
                queue: cpu
                seconds: 1
                protocol: 1
                command:
                  - sh
                  - -c
                  - 'echo before; echo "{{\\"artifact\\": \\"none.png\\"}}"; echo after; echo "why it failed" >&2; exit 3'
              - name: use
                queue: cpu
                seconds: 1
                command: [cat, "{artifact.made.txt}", stage.json]
              - name: picture
                queue: cpu
                seconds: 1
                command: [cp, "{file.picture}", copy.png]
                artifacts: [{path: copy.png, type: image/png}]
              - name: missing
                queue: cpu
                seconds: 1
                command: ["true"]
                artifacts: [{path: nothing.txt, type: text/plain}]
              - name: wait
                queue: cpu
                seconds: 1
                grace_seconds: 20
                protocol: 1
                command:
                  - sh
                  - -c
                  - 'trap "echo goodbye; exit 0" TERM; echo ready; while :; do sleep 0.05; done'
              - name: slow
                queue: cpu
                seconds: 1
                time_limit_seconds: 1
                grace_seconds: 0
                command: [sleep, "60"]
              - name: curious
                queue: cpu
                seconds: 1
                command: [cat, /etc/hostname]
        """

    private static func withStages(_ body: @escaping @Sendable (StageRun) throws -> Void) async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            try pipelines.write(toFile: directory + "/pipelines.yaml", atomically: true, encoding: .utf8)
            try body(StageRun(directory: directory))
        }
    }

    @Test("shows each line of the log, and why an artifact was refused, in the order of the program")
    func refusal() async throws {
        try await Self.withStages { run in
            let (status, output) = try run("trial", "refuse")
            #expect(status == 1, "\(output)")
            let refusal =
                "longtake: the artifact “none.png” was not stored: there is no such file in the working directory"
            let lines = output.split(separator: "\n").map(String.init)
            let log = lines.filter { $0.hasPrefix("log ") }.map { String($0.dropFirst(11)) }
            #expect(
                log.filter { $0 != "why it failed" && !$0.hasPrefix("longtake: the program") } == [
                    "before", refusal, "after",
                ], "\(output)")
            #expect(
                lines.contains("result     failed with stage_failed: the program exited with status 3"), "\(output)")
            #expect(lines.contains("detail     why it failed"), "\(output)")
        }
    }

    @Test("gives the stage the artifacts and the outputs of earlier stages")
    func earlier() async throws {
        try await Self.withStages { run in
            let made = try run("trial", "make")
            #expect(made.status == 0 && made.output.contains(#"with the output {"made":2}"#), "\(made.output)")
            #expect(try run.artifact("made.txt") == "made\n")
            let (status, output) = try run("trial", "use", "--artifact", "made.txt=\(run.folder)/artifacts/made.txt")
            #expect(status == 0 && output.contains("\nlog        made\n"), "\(output)")
            #expect(output.hasPrefix("command    cat artifacts/made.txt stage.json\n"), "\(output)")
            #expect(output.contains(#""outputs":{"make":{"made":2}}"#), "\(output)")
            #expect(output.contains(#""type":"text/plain""#), "\(output)")
        }
    }

    @Test("gives the stage a file, and refuses one of another type")
    func files() async throws {
        try await Self.withStages { run in
            let png = run.directory + "/a.png"
            try Data([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]).write(to: URL(fileURLWithPath: png))
            let (status, output) = try run("trial", "picture", "--file", "picture=\(png)")
            #expect(status == 0 && output.contains("artifact   copy.png (image/png, 8 bytes, result): "), "\(output)")
            let text = try run("trial", "picture", "--file", "picture=\(run.settings)")
            #expect(
                text.status == 2 && text.output.contains("/input/picture must be of type image/png"), "\(text.output)")
        }
    }

    @Test("explains what is wrong with the command line and the input, with status 2")
    func usage() async throws {
        try await Self.withStages { run in
            for (arguments, text) in [
                (["trial", "simulated"], "the stage simulated of trial is simulated, so there is no program to run."),
                (["other", "make"], "there is no pipeline other. The pipelines are: trial."),
                (["trial", "none"], "trial has no stage none. Its stages are: simulated, make, "),
                (["trial", "make", "--input", #"{"count": 10}"#], "/input/count must be between 1 and 9"),
                (["trial", "make", "--input", "[]"], "--input must be a JSON object"),
                (["trial", "make", "--input", "@/nowhere"], "--input: /nowhere does not exist."),
                (["trial", "make", "--file", "picture"], "--file needs NAME=PATH, not “picture”."),
            ] {
                let (status, output) = try DaemonProcess.run(
                    ["run-stage"] + arguments + ["--config", run.settings, "--folder", run.folder])
                #expect(status == 2 && output.contains(text), "\(arguments): \(output)")
            }
            try "pipelines: nowhere.yaml\n".write(toFile: run.settings, atomically: true, encoding: .utf8)
            #expect(try run("trial", "make").status == 78)
        }
    }

    @Test("fails a stage that leaves no declared artifact, and one that takes too long")
    func failures() async throws {
        try await Self.withStages { run in
            let missing = try run("trial", "missing")
            #expect(missing.status == 1 && missing.output.contains("failed with artifact_missing"), "\(missing.output)")
            let slow = try run("trial", "slow")
            #expect(slow.status == 1 && slow.output.contains("failed with stage_timed_out"), "\(slow.output)")
        }
    }

    @Test("confines the program, unless --no-sandbox is given")
    func confinement() async throws {
        try await Self.withStages { run in
            let confined = try run("trial", "curious")
            #expect(confined.output.contains("Permission denied"), "\(confined.output)")
            let open = try run("trial", "curious", "--no-sandbox")
            #expect(open.output.hasPrefix("sandbox    off"), "\(open.output)")
            #expect(open.status == 0, "\(open.output)")
        }
    }

    @Test("Ctrl-C stops the program with its grace")
    func interrupt() async throws {
        try await Self.withStages { run in
            let log = run.directory + "/log"
            let pid = try DaemonProcess.spawn(
                ["run-stage", "trial", "wait", "--config", run.settings, "--folder", run.folder], log: log)
            func output() -> String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
            let deadline = Deadline(30)
            while !output().contains("log        ready"), !deadline.isOver { poll(nil, 0, 10) }
            kill(pid, SIGINT)
            var status: CInt = 0
            while waitpid(pid, &status, WNOHANG) == 0 {
                if deadline.isOver { kill(pid, SIGKILL) }
                poll(nil, 0, 10)
            }
            // The program used its grace, and ended with success.
            #expect(output().contains("\nlog        goodbye\n"), "\(output())")
            #expect(output().contains("\nstop       SIGTERM is sent"), "\(output())")
            #expect(status >> 8 & 0xff == 0 && status & 0x7f == 0, "\(output())")
        }
    }
}
