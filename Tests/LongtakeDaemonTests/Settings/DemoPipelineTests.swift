import ArgumentParser
import LongtakeCore
import Testing

@testable import longtake

/// The pipelines in `config/pipelines.yaml` that make real videos, from the copy in the executable.
@Suite struct DemoPipelineTests {
    private static let hash = "sha-256:" + String(repeating: "0a", count: 32)

    private static func plan(_ name: String, _ input: [String: JSONValue]) throws -> PipelineDefinition.Plan {
        let loaded = try LoadedSettings.load(flags: try SettingsOptions.parse([]), environment: [:])
        let definition = try #require(loaded.catalog.definition(named: PipelineName(unchecked: name)))
        return try definition.plan(.object(input))
    }

    private static func commands(_ plan: PipelineDefinition.Plan) -> [CommandWork] {
        plan.pipeline.stages.compactMap { if case .command(let work) = $0.work { work } else { nil } }
    }

    @Test("the default pipeline stays simulated")
    func standard() throws {
        let loaded = try LoadedSettings.load(flags: try SettingsOptions.parse([]), environment: [:])
        #expect(loaded.catalog.defaultPipeline.description == "text-to-video")
        let plan = try Self.plan("text-to-video", ["prompt": .string("a")])
        #expect(plan.pipeline.stages.allSatisfy { $0.work.kind == .simulated })
    }

    @Test("demo-video makes a video, a poster and a preview, and needs no file but ffmpeg")
    func video() throws {
        let plan = try Self.plan("demo-video", ["prompt": .string("-vf a:b")])
        let commands = Self.commands(plan)
        #expect(
            plan.pipeline.stages.map(\.name.description) == [
                "title", "frames", "grade", "contact-sheet", "soundtrack", "encode", "poster",
            ])
        #expect(commands.count == 7 && commands.allSatisfy { $0.arguments[0] == CommandArgument("ffmpeg") })
        #expect(commands.allSatisfy { $0.readPaths.isEmpty && $0.writePaths.isEmpty })
        let roles = commands.flatMap(\.artifacts).map { "\($0.name) \($0.role.rawValue)" }
        #expect(
            roles == [
                "title.mkv intermediate", "frames.mkv intermediate", "film.mkv intermediate",
                "contact-sheet.jpg preview", "soundtrack.flac intermediate", "video.mp4 result", "poster.jpg result",
            ])
        // The prompt is no argument, but the path of its file is in the middle of one.
        let title = try #require(commands[0].arguments.first { $0.parts.contains(.text(field: "prompt")) })
        #expect(title.parts.count == 3)
        #expect(!commands.flatMap(\.arguments).flatMap(\.parts).contains(.literal("-vf a:b")))
        #expect(commands[0].progress == .ffmpeg(lengthSeconds: 3) && commands[1].progress == .ffmpeg(lengthSeconds: 8))
    }

    @Test("demo-video takes the palette and the length from the input, and nothing else")
    func input() throws {
        let plan = try Self.plan(
            "demo-video", ["prompt": .string("a"), "palette": .string("viridis"), "duration_seconds": .number(6.5)])
        let texts = Self.commands(plan)[2].arguments.flatMap(\.parts).compactMap {
            if case .literal(let text) = $0 { text } else { nil }
        }
        #expect(texts.contains { $0.contains("preset=viridis,") } && texts.contains("6.5"))
        #expect(texts.allSatisfy { !$0.contains("\n") })
        #expect(throws: InvalidInput.self) {
            try Self.plan("demo-video", ["prompt": .string("a"), "palette": .string("magma,movie=/etc/passwd")])
        }
    }

    @Test("demo-image-to-video begins with the uploaded picture")
    func image() throws {
        let plan = try Self.plan("demo-image-to-video", ["image": .object(["file": .string(Self.hash)])])
        #expect(plan.files.map(\.field) == ["image"] && plan.files.first?.maximumBytes == 20_000_000)
        #expect(Self.commands(plan)[0].arguments.contains(CommandArgument([.file(field: "image")])))
        #expect(Self.commands(plan).flatMap(\.artifacts).contains { $0.type == "video/mp4" && $0.role == .result })
    }

    @Test("the check shows each command and warns of programs that are not found")
    func described() throws {
        let none = try LoadedSettings.load(flags: try SettingsOptions.parse([]), environment: ["PATH": "/nowhere"])
        let text = try none.described()
        #expect(
            text.contains(
                "\n#   poster (ffmpeg): ffmpeg -y -nostdin -hide_banner -nostats -ss 4 -i {artifact.video.mp4}"))
        #expect(text.contains("'gradients=s=1280x720") || text.contains(" gradients=s=1280x720"))
        #expect(
            text.contains("# warning: the program ffmpeg of stage title of demo-video is not in PATH"), "\(text)")
        #expect(text.split(separator: "\n").allSatisfy { !$0.contains("\u{1b}") })
    }

    @Test("a program beside the file is looked up there")
    func missing() throws {
        let text = """
            {"default":"p","pipelines":{"p":{"description":"d","input":{},"stages":[
            {"name":"a","queue":"cpu","seconds":1,"command":["./sh"]},
            {"name":"b","queue":"cpu","seconds":1,"command":["./no-such-program"]},
            {"name":"c","queue":"cpu","seconds":1,"command":["sh"],"environment":{"PATH":"/nowhere"}},
            {"name":"d","queue":"cpu","seconds":1,"command":["sh"]}]}}}
            """
        let catalog = try JSONText.decode(PipelineCatalog.self, from: text).resolvingPaths(in: "/bin")
        let missing = MissingProgram.all(in: catalog, searchPath: "/usr/bin:/bin")
        #expect(missing.map(\.stage.description) == ["b", "c"])
        #expect(missing.first?.description.contains("/bin/no-such-program") == true)
    }
}
