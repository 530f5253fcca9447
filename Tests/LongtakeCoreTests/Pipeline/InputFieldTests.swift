import LongtakeCore
import Testing

/// The rules of texts and files in the input of a job.
@Suite struct InputFieldTests {
    private static let hash = "sha-256:" + String(repeating: "0a", count: 32)
    private static let job = "job_" + String(repeating: "0", count: 26)

    private static func plan(_ field: String, _ value: JSONValue) throws -> PipelineDefinition.Plan {
        try PipelineText.definition(input: #"{"x":\#(field)}"#, stages: PipelineText.simulated)
            .plan(.object(["x": value]))
    }

    private static func problem(_ pointer: String, _ detail: String) -> InvalidInput {
        InvalidInput(problems: [InputProblem(pointer: pointer, detail: detail)])
    }

    @Test("a text has one of the values of its enum")
    func choices() throws {
        let field = #"{"type":"string","enum":["slow","fast"]}"#
        #expect(try Self.plan(field, .string("slow")).input == .object(["x": .string("slow")]))
        #expect(throws: Self.problem("/input/x", "must be one of slow, fast")) {
            try Self.plan(field, .string("Slow"))
        }
    }

    @Test("a text matches its pattern as a whole", arguments: ["ab\n", "1ab", "AB", "", "áb"])
    func pattern(value: String) throws {
        let field = #"{"type":"string","pattern":"[a-z]+"}"#
        #expect(try Self.plan(field, .string("ab")).input == .object(["x": .string("ab")]))
        #expect(throws: Self.problem("/input/x", "must match [a-z]+")) { try Self.plan(field, .string(value)) }
    }

    @Test("a text with a pattern is short, because matching can be slow")
    func longText() throws {
        let field = #"{"type":"string","pattern":"a*"}"#
        #expect(throws: Never.self) { try Self.plan(field, .string(String(repeating: "a", count: 1_024))) }
        #expect(throws: Self.problem("/input/x", "must have at most 1024 characters")) {
            try Self.plan(field, .string(String(repeating: "a", count: 1_025)))
        }
    }

    @Test("a file is the id of an upload or the artifact of a job")
    func references() throws {
        let field = #"{"type":"file","accept":["image/png"],"maximum_megabytes":1.5}"#
        let upload = try Self.plan(field, .object(["file": .string(Self.hash)]))
        #expect(
            upload.files == [
                FileReference(
                    field: "x", source: .file(try #require(FileID(Self.hash))), accept: ["image/png"],
                    maximumBytes: 1_500_000)
            ])
        #expect(upload.input == .object(["x": .object(["file": .string(Self.hash)])]))
        let artifact = try Self.plan(
            #"{"type":"file"}"#, .object(["job": .string(Self.job), "artifact": .string("f.png")]))
        let source = FileReference.Source.artifact(
            try #require(ArtifactName("f.png")), of: try #require(JobID(Self.job)))
        #expect(artifact.files == [FileReference(field: "x", source: source)])
        #expect(try Self.plan(#"{"type":"file"}"#, .null).files == [])
        #expect(try Self.plan(#"{"type":"string"}"#, .string("a")).files == [])
    }

    @Test("a wrong reference is an error at the wrong member")
    func wrongReferences() throws {
        let (hash, job) = (JSONValue.string(Self.hash), JSONValue.string(Self.job))
        let cases: [(JSONValue, String, String)] = [
            (hash, "/input/x", "must be an object with"),
            (.object([:]), "/input/x", "must have the member “file”"),
            (.object(["file": .string("sha-256:AB")]), "/input/x/file", "must be the id of a file"),
            (.object(["file": hash, "job": job]), "/input/x/job", "unknown field"),
            (.object(["file": hash, "a/b": job]), "/input/x/a~1b", "unknown field"),
            (.object(["job": job]), "/input/x/artifact", "is required"),
            (.object(["artifact": .string("a")]), "/input/x/job", "is required"),
            (.object(["job": .integer(1), "artifact": .string("a")]), "/input/x/job", "must be the id of a job"),
            (
                .object(["job": job, "artifact": .string("../a")]), "/input/x/artifact",
                "must be the name of an artifact"
            ),
        ]
        for (value, pointer, detail) in cases {
            let error = #expect(throws: InvalidInput.self) { try Self.plan(#"{"type":"file"}"#, value) }
            #expect(error?.problems.count == 1 && error?.problems.first?.pointer == pointer, "\(value)")
            #expect(error?.problems.first?.detail.hasPrefix(detail) == true, "\(value)")
        }
    }

    @Test(
        "refuses rules that do not fit the type, at the key",
        arguments: [
            (#"{"type":"integer","enum":["1"]}"#, "enum: is not possible for a field of the type integer"),
            (#"{"type":"file","pattern":"a"}"#, "pattern: is not possible for a field of the type file"),
            (#"{"type":"string","accept":["image/png"]}"#, "accept: is not possible"),
            (#"{"type":"string","maximum_megabytes":1}"#, "maximum_megabytes: is not possible"),
            (#"{"type":"file","default":{"file":"a"}}"#, "default: is not possible"),
            (#"{"type":"file","maximum":1}"#, "maximum: is not possible"),
            (#"{"type":"file","accept":[]}"#, "accept: must name a media type"),
            (#"{"type":"file","accept":["image/x-paint"]}"#, "accept: “image/x-paint” is not recognized"),
            (#"{"type":"file","maximum_megabytes":0}"#, "maximum_megabytes: must be above 0"),
            (#"{"type":"string","enum":[]}"#, "enum: must list different values"),
            (#"{"type":"string","enum":["a","a"]}"#, "enum: must list different values"),
            (#"{"type":"string","pattern":"("}"#, "pattern: is not a valid regular expression"),
            (#"{"type":"string","pattern":"a","maximum":4000}"#, "maximum: must be at most 1024"),
            (#"{"type":"string","enum":["a"],"default":"b"}"#, "default: must be one of a"),
            (#"{"type":"string","mimes":["a"]}"#, "mimes: unknown key"),
        ])
    func refused(field: String, error: String) throws {
        let found = try #require(PipelineText.error(input: #"{"x":\#(field)}"#, stages: PipelineText.simulated))
        #expect(found.hasPrefix("input.x.\(error)"), "\(found)")
    }
}
