import LongtakeCore
import Testing

/// The command of a job, planned for its input.
@Suite struct CommandPlanTests {
    private static let input = """
        {"prompt":{"type":"string"},"mode":{"type":"string","pattern":".*","default":"m"},"fps":{"type":"number","default":24},
        "seed":{"type":"integer"},"image":{"type":"file"},"resolution":{"type":"size","default":"1280x720"},
        "duration_seconds":{"type":"number","minimum":1,"maximum":60,"default":8}}
        """

    private static func arguments(_ arguments: String..., input: [String: JSONValue] = [:]) throws -> [CommandArgument]
    {
        let list = (["a"] + arguments).map { "\"\($0)\"" }.joined(separator: ",")
        let definition = try PipelineText.definition(
            input: Self.input, stages: #"{"name":"s","queue":"cpu","seconds":5,"command":[\#(list)]}"#)
        return Array(try PipelineText.work(definition, .object(input)).arguments.dropFirst())
    }

    @Test("replaces values of the input, and keeps braces that are doubled")
    func values() throws {
        let planned = try Self.arguments(
            "{input.fps}", "s={input.resolution}:r={input.fps}", "{{x}}", "", "-{input.mode}",
            input: ["fps": .number(23.5), "mode": .string("x")])
        #expect(
            planned == [
                CommandArgument("23.5"), CommandArgument("s=1280x720:r=23.5"), CommandArgument("{x}"),
                CommandArgument(""), CommandArgument("-x"),
            ])
        #expect(try Self.arguments("{input.fps}", input: ["fps": .number(24)]) == [CommandArgument("24")])
        #expect(try Self.arguments("{input.seed}", input: ["seed": .integer(-5)]) == [CommandArgument("-5")])
    }

    @Test("leaves paths to the start of the stage")
    func paths() throws {
        let file: JSONValue = .object(["file": .string("sha-256:" + String(repeating: "a", count: 64))])
        let planned = try Self.arguments(
            "{text.prompt}", "{file.image}", input: ["prompt": .string("-"), "image": file])
        #expect(planned == [CommandArgument([.text(field: "prompt")]), CommandArgument([.file(field: "image")])])
        let definition = try PipelineText.definition(
            stages: PipelineText.command("a", name: "one", more: #","artifacts":[{"path":"o/f.mkv","type":"a/b"}]"#),
            PipelineText.command("a", "in={artifact.f.mkv}", name: "two"))
        let name = try #require(ArtifactName("f.mkv"))
        #expect(
            try PipelineText.work(definition, stage: 1).arguments[1]
                == CommandArgument([.literal("in="), .artifact(name)]))
        #expect(
            try PipelineText.work(definition).artifacts
                == [DeclaredArtifact(path: "o/f.mkv", name: name, type: "a/b", role: .result)])
    }

    @Test("removes an argument that is a placeholder without a value")
    func removed() throws {
        let planned = try Self.arguments("{input.seed}", "{text.prompt}", "{file.image}", "end")
        #expect(planned == [CommandArgument("end")])
    }

    @Test(
        "refuses a text that would be an option or contains NUL",
        arguments: [
            ("{input.mode}", "-rf", "must not begin with “-”"), ("{input.mode}x", "-", "must not begin with “-”"),
            ("{input.mode}-x", "", "must not begin with “-”"), ("x{input.mode}", "a\u{0}b", "must not contain NUL"),
        ])
    func refused(argument: String, value: String, detail: String) {
        #expect(throws: InvalidInput(problems: [InputProblem(pointer: "/input/mode", detail: detail)])) {
            try Self.arguments(argument, input: ["mode": .string(value)])
        }
    }

    @Test("has a time limit of ten expected durations, at least an hour and at most a day")
    func timeLimit() throws {
        func limit(_ seconds: Double, _ more: String = "", duration: Double = 8) throws -> Double? {
            let definition = try PipelineText.definition(
                input: #"{"d":{"type":"number","minimum":1,"maximum":16,"default":8}}"#,
                stages: """
                    {"name":"s","queue":"cpu","seconds":\(seconds),"scales_with":["d"],"command":["a"]\(more)}
                    """)
            let stage = try definition.plan(.object(["d": .number(duration)])).pipeline.stages[0]
            #expect(stage.expectedSeconds == seconds * duration / 8)
            return stage.timeLimitSeconds
        }
        #expect(try limit(5) == 3_600)
        #expect(try limit(1_000) == 10_000)
        #expect(try limit(1_000, duration: 16) == 20_000)
        #expect(try limit(20_000) == 86_400)
        #expect(try limit(5, #","time_limit_seconds":7"#) == 7)
    }

    @Test("keeps the rules of the stage")
    func rules() throws {
        let more = """
            ,"protocol":1,"environment":{"A":"b"},"pass_environment":["C"],"read_paths":["/r"],"write_paths":["/w"],
            "grace_seconds":3,"retry":{"attempts":5},"output":{"d":"$duration_seconds"}
            """
        let definition = try PipelineText.definition(
            input: Self.input, stages: PipelineText.command("a", more: more), PipelineText.simulated)
        let pipeline = try definition.plan(.object([:])).pipeline
        #expect(
            try PipelineText.work(definition)
                == CommandWork(
                    arguments: [CommandArgument("a")], usesProtocol: true, environment: ["A": "b"],
                    passEnvironment: ["C"], readPaths: ["/r"], writePaths: ["/w"], graceSeconds: 3,
                    output: .object(["d": .integer(8)])))
        #expect(pipeline.stages[0].retry == RetryRule(attempts: 5))
        #expect(pipeline.stages[1].retry == nil && pipeline.stages[1].work.kind == .simulated)
        #expect(RetryRule().attempts == 3)
    }

    @Test("measures ffmpeg against the length of the video")
    func length() throws {
        func progress(_ more: String, _ input: [String: JSONValue] = [:]) throws -> OutputProgress? {
            let stage = PipelineText.command("a", more: more)
            return try PipelineText.work(PipelineText.definition(input: Self.input, stages: stage), .object(input))
                .progress
        }
        #expect(try progress(#","progress":"ffmpeg""#) == .ffmpeg(lengthSeconds: 8))
        #expect(
            try progress(#","progress":"ffmpeg""#, ["duration_seconds": .number(2.5)]) == .ffmpeg(lengthSeconds: 2.5))
        #expect(try progress(#","progress":"ffmpeg","length_seconds":3"#) == .ffmpeg(lengthSeconds: 3))
        #expect(
            try progress(#","progress":"ffmpeg","length_seconds":"{input.duration_seconds}""#)
                == .ffmpeg(lengthSeconds: 8))
        #expect(try progress(#","progress":"percent""#) == .percent)
        let pattern = #"step (?<done>\d+)/(?<of>\d+)"#
        let escaped = pattern.replacing("\\", with: "\\\\")
        #expect(try progress(#","progress":{"pattern":"\#(escaped)"}"#) == .pattern(pattern))
    }

    @Test("finds a program that begins with ./ beside the file, and lets it read its folder")
    func program() throws {
        let stage = PipelineText.command("./stages/a", "./out", more: #","read_paths":["./models"]"#)
        let text = #"{"default":"p","pipelines":{"p":{"description":"d","input":{},"stages":[\#(stage)]}}}"#
        let catalog = try JSONText.decode(PipelineCatalog.self, from: text).resolvingPaths(in: "/etc/longtake")
        let work = try PipelineText.work(catalog.definitions[0])
        #expect(work.arguments == [CommandArgument("/etc/longtake/stages/a"), CommandArgument("./out")])
        #expect(work.readPaths == ["/etc/longtake/models", "/etc/longtake/stages"])
    }

    @Test("a simulated failure is possible in simulated stages only")
    func simulation() throws {
        func failing(_ stages: String...) throws {
            let text = """
                {"default":"p","pipelines":{"p":{"description":"d","input":{},"stages":[\(stages.joined(separator: ","))]}}}
                """
            let definition = try JSONText.decode(PipelineCatalog.self, from: text).definitions[0]
            _ = try Simulation.parse(
                .object(["fail_stage": .string("s")]), for: definition.plan(.object([:])).pipeline)
        }
        func refusal(_ detail: String) -> InvalidInput {
            InvalidInput(problems: [InputProblem(pointer: "/simulation/fail_stage", detail: detail)])
        }
        #expect(throws: refusal("must be one of simulated")) {
            try failing(PipelineText.command("a"), PipelineText.simulated)
        }
        #expect(throws: refusal("is not possible, because the pipeline has no simulated stage")) {
            try failing(PipelineText.command("a"))
        }
    }
}
