import ArgumentParser
import FoundationEssentials
import Glibc
import LongtakeCore
import LongtakeDaemonDriver
import Testing

@testable import longtake

/// The examples of `docs/stages.md`.
@Suite struct StageExamplesTests {
    @Test("are found by the name in their first line, and other blocks are not")
    func extraction() {
        let page = "a\n```sh stage=a.sh\nb\n\nc\n```\n```yaml\nd\n```\n```sh\n```\n```python stage=e.py\n```\n"
        #expect(
            StageExamples(page: page).examples == [
                .init(name: "a.sh", language: "sh", text: "b\n\nc\n"),
                .init(name: "e.py", language: "python", text: "\n"),
            ])
    }

    @Test("are valid programs and a valid pipeline that starts them")
    func valid() throws {
        let examples = try StageExamples()
        #expect(examples.examples.map(\.name).sorted() == ["card.sh", "count.sh", "frames.py", "pipelines.yaml"])
        let directory = FileManager.default.temporaryDirectory.path + "/longtake-stages-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try examples.write(to: directory)
        for example in examples.examples {
            let path = "\(directory)/\(example.name)"
            switch example.language {
            case "sh": #expect(try Self.status(of: ["/bin/sh", "-n", path]) == 0, "\(example.name)")
            case "python":
                let compile = "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')"
                #expect(try Self.status(of: ["/usr/bin/env", "python3", "-c", compile, path]) == 0, "\(example.name)")
            case "yaml":
                let settings = directory + "/longtake.yaml"
                try "pipelines: \(example.name)\n".write(toFile: settings, atomically: true, encoding: .utf8)
                let loaded = try LoadedSettings.load(
                    flags: try SettingsOptions.parse(["--config", settings]), environment: ["PATH": "/usr/bin:/bin"])
                #expect(loaded.catalog.definitions.count == 1 && loaded.missingPrograms.isEmpty)
            default: Issue.record("no check for \(example.language)")
            }
        }
    }

    /// Runs a program to its end without input and output.
    private static func status(of arguments: [String]) throws -> CInt {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in CInt(0)...2 { posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0) }
        let pid = try DaemonProcess.spawn(
            path: arguments[0], arguments, ["PATH=/usr/local/bin:/usr/bin:/bin"], &actions)
        var status: CInt = 0
        try #require(waitpid(pid, &status, 0) == pid)
        return status
    }
}
