import LongtakeCore
import Testing

@testable import LongtakeCommands

@Suite("stage document")
struct StageDocumentTests {
    private let hash = ContentHash(bytes: [UInt8](repeating: 0xab, count: 32))

    private func document(_ checkpoint: Checkpoint) -> String {
        let work = CommandStage.work("")
        let frames = Artifact(
            name: ArtifactName("frames.mkv")!, type: "video/x-matroska", content: Content(hash: hash, bytes: 9),
            role: .intermediate)
        let claim = CommandStage.claim(
            work, checkpoint: checkpoint, input: .object(["prompt": .string("a \"boat\"")]),
            files: ["image": InputFile(content: Content(hash: hash, bytes: 12), type: "image/png")],
            artifacts: [
                ArtifactRecord(
                    artifact: frames, stage: StageName(unchecked: "frames"),
                    createdAt: Timestamp(millisecondsSince1970: 0))
            ])
        return String(
            decoding: StageDocument(claim: claim, inputs: PlacedInputs(claim, work: work)).bytes, as: UTF8.self)
    }

    @Test("has the members of version 1 in their order")
    func members() {
        let digest = String(repeating: "ab", count: 32)
        #expect(
            document(.none)
                == #"{"protocol":1,"job":"job_01kaf3v6m7k2x0r8q5h1n9c4t2","pipeline":"demo-video","stage":"encode","#
                + #""index":4,"of":5,"attempt":1,"input":{"prompt":"a \"boat\""},"metadata":{"a":"b"},"#
                + #""outputs":{"frames":{"count":3}},"#
                + #""files":{"image":{"path":"inputs/image.png","type":"image/png","bytes":12,"sha256":"\#(digest)"}},"#
                + #""artifacts":{"frames.mkv":{"path":"artifacts/frames.mkv","type":"video/x-matroska","bytes":9,"#
                + #""sha256":"\#(digest)"}},"checkpoint":null,"deadline_seconds":3600}"# + "\n")
    }

    @Test("has the newest checkpoint when the stage is resumed")
    func checkpoint() {
        #expect(document(Checkpoint(progress: Progress(0.42))).contains(#""checkpoint":{"progress":0.42,"data":null}"#))
        #expect(
            document(Checkpoint(progress: .none, data: .object(["step": .integer(7)])))
                .contains(#""checkpoint":{"progress":0,"data":{"step":7}}"#))
    }
}
