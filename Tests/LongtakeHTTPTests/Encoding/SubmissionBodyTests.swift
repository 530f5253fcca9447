import HTTPTypes
import LongtakeAPI
import LongtakeCore
import NIOCore
import Testing

@testable import LongtakeHTTP

/// Files and commands in the body of `POST /v1/jobs`.
@Suite struct SubmissionBodyTests {
    private static let hash = String(repeating: "0a", count: 32)

    private static func body(_ input: String, _ more: String = "") throws -> SubmissionBody {
        let catalog = try JSONText.decode(
            PipelineCatalog.self,
            from: """
                {"default":"p","pipelines":{"p":{"description":"d",
                "input":{"image":{"type":"file","accept":["image/png"]},"mode":{"type":"string","pattern":".*"}},
                "stages":[{"name":"s","queue":"q","seconds":1,"command":["a","{file.image}","{input.mode}"]},
                {"name":"t","queue":"q","seconds":1,"steps":1,"message":"m"}]}}}
                """)
        return try SubmissionBody(ByteBuffer(string: #"{"input":\#(input)\#(more)}"#), catalog: catalog)
    }

    @Test("hands the files of the input to the submission")
    func files() throws {
        let submission = try Self.body(#"{"image":{"file":"sha-256:\#(Self.hash)"}}"#)
        let id = FileID(try #require(ContentHash(hex: Self.hash)))
        #expect(submission.files == [FileReference(field: "image", source: .file(id), accept: ["image/png"])])
        #expect(try Self.body("{}").files.isEmpty)
    }

    @Test(
        "names the wrong value by its pointer",
        arguments: [
            (#"{"image":{"file":"sha-256:0"}}"#, "", "/input/image/file"),
            (#"{"image":{"job":"job_1","artifact":"a"}}"#, "", "/input/image/job"),
            (#"{"image":"a.png"}"#, "", "/input/image"),
            (#"{"mode":"-rf"}"#, "", "/input/mode"),
            (#"{"mode":"a\u0000"}"#, "", "/input/mode"),
            ("{}", #","simulation":{"fail_stage":"s"}"#, "/simulation/fail_stage"),
        ])
    func wrong(input: String, more: String, pointer: String) throws {
        let problem = #expect(throws: Problem.self) { try Self.body(input, more) }
        #expect(problem?.status == .unprocessableContent)
        #expect(problem?.errors?.map(\.pointer) == [pointer])
    }

    @Test("a simulated stage beside commands can still be made to fail")
    func simulation() throws {
        #expect(try Self.body("{}", #","simulation":{"fail_stage":"t"}"#).simulation?.failStage?.description == "t")
    }
}
