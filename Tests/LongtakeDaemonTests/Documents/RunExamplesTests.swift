import FoundationEssentials
import LongtakeDaemonDriver
import Testing

/// The examples of `docs/stages.md`, run as they are printed, by `longtake run-stage`.
@Suite struct RunExamplesTests {
    /// The examples in a directory, with settings.
    private static func withExamples(_ body: @escaping @Sendable (StageRun) throws -> Void) async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            try StageExamples().write(to: directory)
            try body(StageRun(directory: directory))
        }
    }

    @Test("card.sh shows a title card at once, with the text of the input as text")
    func card() async throws {
        try await Self.withExamples { run in
            let (status, output) = try run("example", "card", "--input", #"{"prompt": "a < b"}"#)
            #expect(status == 0, "\(output)")
            #expect(output.contains("\nartifact   card.svg (image/svg+xml, "), "\(output)")
            #expect(output.contains(" bytes, preview): \(run.folder)/artifacts/card.svg\n"), "\(output)")
            #expect(output.contains("\nprogress   100 %  drew the card\n"), "\(output)")
            #expect(output.contains("\nresult     succeeded, with no output\n"), "\(output)")
            #expect(try run.artifact("card.svg").contains(">a &lt; b</text>"))
        }
    }

    @Test("card.sh fails for good with its own code if the text is empty")
    func emptyCard() async throws {
        try await Self.withExamples { run in
            let (status, output) = try run("example", "card", "--input", #"{"prompt": "\n"}"#)
            #expect(status == 1, "\(output)")
            #expect(output.contains("\nerror      no_text, not retryable: the text is empty\n"), "\(output)")
            #expect(output.contains("\nended      exit status 1, after "), "\(output)")
            #expect(output.contains("\nresult     failed with no_text: the text is empty\n"), "\(output)")
            #expect(output.contains("\nretry      the job would fail at once\n"), "\(output)")
        }
    }

    @Test("frames.py registers each frame when it is whole, and sends a checkpoint behind it")
    func frames() async throws {
        try await Self.withExamples { run in
            let (status, output) = try run("example", "frames", "--input", #"{"prompt": "x", "frames": 3}"#)
            #expect(status == 0, "\(output)")
            let lines = output.split(separator: "\n").map(String.init)
            let labels = lines.map { String($0.prefix { $0 != " " }) }.filter { $0 != "longtake:" }
            #expect(
                labels == ["command", "directory", "document"]
                    + (1...3).flatMap { _ in
                        ["artifact", "progress", "checkpoint"]
                    } + ["output", "ended", "result", "folder"], "\(output)")
            #expect(lines.contains("progress    33 %  frame 1 of 3"), "\(output)")
            #expect(
                lines.contains(#"checkpoint {"next":3}"#) && lines.contains(#"output     {"frames":3}"#), "\(output)")
            #expect(output.contains("artifact   frame-002.png (image/png, "), "\(output)")
            let frame = try Data(contentsOf: URL(fileURLWithPath: run.folder + "/artifacts/frame-002.png"))
            #expect(frame.starts(with: [0x89, 0x50, 0x4e, 0x47]))
        }
    }

    @Test("frames.py goes on behind the last frame")
    func resumedFrames() async throws {
        try await Self.withExamples { run in
            let (status, output) = try run(
                "example", "frames", "--input", #"{"prompt": "x", "frames": 3}"#, "--checkpoint", #"{"next": 2}"#)
            #expect(status == 0 && output.contains("\nprogress   100 %  frame 3 of 3\n"), "\(output)")
            #expect(!output.contains("frame 2 of 3") && !output.contains("frame-001.png"), "\(output)")
            #expect(output.contains(#""checkpoint":{"progress":0,"data":{"next":2}}"#), "\(output)")
        }
    }

    @Test("count.sh needs no protocol: a pattern finds its progress, and its file becomes an artifact")
    func count() async throws {
        try await Self.withExamples { run in
            let (status, output) = try run("example", "count", "--input", #"{"prompt": "x"}"#)
            #expect(status == 0, "\(output)")
            #expect(output.hasPrefix("command    \(run.directory)/count.sh everything\n"), "\(output)")
            for step in 1...4 {
                #expect(output.contains(" \(step * 25) %  \(step) of 4\n"), "\(output)")
                #expect(output.contains("\nlog        step \(step)/4\n"), "\(output)")
            }
            #expect(output.contains("\nartifact   report.txt (text/plain, 19 bytes, result): "), "\(output)")
            #expect(output.contains(#"succeeded, with the output {"frames":8}"#), "\(output)")
            #expect(try run.artifact("report.txt") == "everything is done\n")
        }
    }
}

/// Runs `longtake run-stage` with the pipelines of a directory.
struct StageRun: Sendable {
    let directory: String

    init(directory: String) throws {
        self.directory = directory
        try "pipelines: pipelines.yaml\n".write(toFile: settings, atomically: true, encoding: .utf8)
    }

    var settings: String { directory + "/longtake.yaml" }
    var folder: String { directory + "/out" }

    func callAsFunction(_ arguments: String...) throws -> (status: CInt, output: String) {
        try DaemonProcess.run(
            ["run-stage"] + arguments + ["--config", settings, "--folder", folder], within: 60)
    }

    /// The text of an artifact.
    func artifact(_ name: String) throws -> String {
        try String(contentsOfFile: "\(folder)/artifacts/\(name)", encoding: .utf8)
    }
}
