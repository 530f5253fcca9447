import LongtakeCore
import Testing

/// What `longtake check` refuses in a stage with a command.
@Suite struct CommandDefinitionTests {
    @Test(
        "refuses keys that do not fit together, at the key",
        arguments: [
            (#"{"name":"s","queue":"q","seconds":1}"#, "steps: is missing; a stage has either steps"),
            (
                #"{"name":"s","queue":"q","seconds":1,"steps":1,"message":"m","command":["a"]}"#,
                "steps: belongs to a simulated"
            ),
            (#"{"name":"s","queue":"q","seconds":1,"message":"m","command":["a"]}"#, "message: belongs to a simulated"),
            (
                #"{"name":"s","queue":"q","seconds":1,"steps":1,"message":"m","artifacts":[]}"#,
                "artifacts: belongs to a stage with"
            ),
            (#"{"name":"s","queue":"q","seconds":1,"remote":true}"#, "remote: remote stages come with a later version"),
            (PipelineText.command("a", more: #","protocol":2"#), "protocol: must be 1"),
            (
                PipelineText.command("a", more: #","protocol":1,"progress":"percent""#),
                "progress: excludes “protocol: 1”"
            ),
            (PipelineText.command("a", more: #","length_seconds":3"#), "length_seconds: needs “progress: ffmpeg”"),
            (PipelineText.command("a", more: #","stall_seconds":3"#), "stall_seconds: unknown key"),
        ])
    func combinations(stage: String, error: String) throws {
        let found = try #require(PipelineText.error(stages: stage))
        #expect(found.hasPrefix("stages.0.\(error)"), "\(found)")
    }

    @Test(
        "refuses values out of bounds, at the key",
        arguments: [
            (#","environment":{"A B":"1"}"#, "environment: “A B” is not the name"),
            (#","environment":{"LONGTAKE_JOB":"1"}"#, "environment: “LONGTAKE_JOB” is set by the daemon"),
            (#","environment":{"HOME":"/"}"#, "environment: “HOME” is set by the daemon"),
            (#","environment":{"A":"\u0000"}"#, "environment: the value of “A” must not contain NUL"),
            (#","pass_environment":["1A"]"#, "pass_environment: “1A” is not the name"),
            (#","read_paths":["models"]"#, "read_paths: “models” must be an absolute path"),
            (#","write_paths":["../x"]"#, "write_paths: “../x” must be an absolute path"),
            (#","grace_seconds":601"#, "grace_seconds: must be between 0 and 600"),
            (#","retry":{"attempts":0}"#, "retry.attempts: must be between 1 and 100"),
            (#","retry":{"delay_seconds":3601}"#, "retry.delay_seconds: must be between 0 and 3600"),
            (#","retry":{"tries":1}"#, "retry.tries: unknown key"),
            (#","progress":"bar""#, "progress: must be percent, ffmpeg"),
            (#","progress":{"pattern":"("}"#, "progress.pattern: is not a valid regular expression"),
            (#","progress":{"pattern":"(?<done>\\d+)"}"#, "progress.pattern: must have the named groups"),
            (#","progress":"ffmpeg""#, "progress: needs the length of the video"),
            (#","progress":"ffmpeg","length_seconds":0"#, "length_seconds: must be above 0"),
            (#","progress":"ffmpeg","length_seconds":"long""#, "length_seconds: must be a number of seconds or"),
            (#","progress":"ffmpeg","length_seconds":"{input.x}""#, "progress: needs the length of the video"),
        ])
    func values(more: String, error: String) throws {
        let found = try #require(PipelineText.error(stages: PipelineText.command("a", more: more)))
        #expect(found.contains(".\(error)"), "\(found)")
    }

    @Test(
        "refuses artifacts that cannot be",
        arguments: [
            (#"{"path":"/etc/passwd","type":"a/b"}"#, "path: must be a path below"),
            (#"{"path":"../x","type":"a/b"}"#, "path: must be a path below"),
            (#"{"path":"a//b","type":"a/b"}"#, "path: must be a path below"),
            (#"{"path":"a","type":"video"}"#, "type: must be a media type"),
            (#"{"path":"a","name":"b/c","type":"a/b"}"#, "name: must have 1 to 255 bytes"),
            (
                #"{"path":"a","type":"a/b"},{"path":"b","name":"a","type":"a/b"}"#,
                "artifacts: must have different names"
            ),
        ])
    func artifacts(list: String, error: String) throws {
        let stage = PipelineText.command("a", more: #","artifacts":[\#(list)]"#)
        let found = try #require(PipelineText.error(stages: stage))
        #expect(found.contains(".\(error)"), "\(found)")
    }

    @Test("refuses a name that an earlier stage has too")
    func takenName() throws {
        let made = #","artifacts":[{"path":"v.mp4","type":"video/mp4"}]"#
        let found = try #require(
            PipelineText.error(
                stages: PipelineText.command("a", name: "one", more: made),
                PipelineText.command("a", name: "two", more: made)))
        #expect(found.contains("stages.1.artifacts: an earlier stage has the artifact “v.mp4”"), "\(found)")
    }

    @Test(
        "refuses placeholders without a value for some valid input",
        arguments: [
            ("{input.nothing}", "the input has no field “nothing”"),
            ("{input.prompt}", "“prompt” is free text, which must not be an argument; use {text.prompt}"),
            ("{input.image}", "“image” is a file; use {file.image}"),
            ("{text.fps}", "“fps” is not a string; use {input.fps}"),
            ("{file.prompt}", "“prompt” is not of the type file"),
            ("fps={input.seed}", "“seed” may be absent"),
            ("textfile={text.prompt}", "“prompt” may be absent"),
            ("{artifact.x.mkv}", "no earlier stage makes the artifact “x.mkv”"),
            ("{artifact.a/b}", "“a/b” is not a valid name"),
            ("{prompt}", "“{prompt}” is not a placeholder"),
            ("{env.HOME}", "“{env.HOME}” is not a placeholder"),
            ("{input.}", "“{input.}” is not a placeholder"),
            ("a{", "has a single “{”"), ("a}", "has a single “}”"), ("a\\u0000", "must not contain NUL"),
        ])
    func placeholders(argument: String, error: String) throws {
        let input = """
            {"prompt":{"type":"string"},"seed":{"type":"integer"},"fps":{"type":"integer","default":24},
            "image":{"type":"file"}}
            """
        let found = try #require(PipelineText.error(input: input, stages: PipelineText.command("a", argument)))
        #expect(found.contains(".command.1: \(error)"), "\(found)")
    }

    @Test(
        "refuses a program that is not plain",
        arguments: ["{input.fps}", "", "bin/a", "../a"])
    func program(_ program: String) throws {
        let input = #"{"fps":{"type":"integer","default":24}}"#
        let found = try #require(PipelineText.error(input: input, stages: PipelineText.command(program)))
        #expect(found.contains(".command.0: the program must be"), "\(found)")
    }

    @Test("accepts the name of any artifact after a stage that speaks the protocol")
    func protocolArtifacts() {
        let error = PipelineText.error(
            stages: PipelineText.command("a", name: "one", more: #","protocol":1"#),
            PipelineText.command("a", "{artifact.frames.mkv}", name: "two"))
        #expect(error == nil)
    }
}
