import LongtakeCore
import Testing

@testable import LongtakeCommands

@Suite("stage message")
struct StageMessageTests {
    private func message(_ text: String) -> StageMessage? { StageMessage(line: Array(text.utf8)) }

    @Test("is a progress, a message and a checkpoint, together or alone")
    func report() {
        #expect(
            message(#"{"progress": 0.42, "message": "frame 1", "checkpoint": {"a": [1]}}"#)?.report
                == .init(progress: 0.42, message: "frame 1", checkpoint: .object(["a": .array([.integer(1)])])))
        #expect(message(#"{"progress": 1}"#)?.report == .init(progress: 1))
        #expect(message(#"  {"message": "x"}  "#)?.report == .init(message: "x"))
        #expect(message(#"{"checkpoint": 7}"#)?.report == .init(checkpoint: .integer(7)))
        #expect(message("{\"progress\": 0.5}\r")?.report == .init(progress: 0.5))
    }

    @Test("is an artifact whose role is a result and whose type is unknown by default")
    func artifact() {
        #expect(
            message(#"{"artifact": "a.mp4", "type": "video/mp4", "role": "preview"}"#)?.artifact
                == .init(name: "a.mp4", type: "video/mp4", role: .preview))
        #expect(
            message(#"{"artifact": "a"}"#)?.artifact
                == .init(name: "a", type: "application/octet-stream", role: .result))
    }

    @Test("is an output, and an error whose invalid code is dropped")
    func outputAndError() {
        #expect(message(#"{"output": {"a": 1}}"#)?.output == .object(["a": .integer(1)]))
        #expect(
            message(#"{"error": {"code": "oom", "message": "m", "retryable": true}}"#)?.error
                == .init(code: "oom", message: "m", isRetryable: true))
        #expect(message(#"{"error": {"message": "m"}}"#)?.error == .init(code: nil, message: "m", isRetryable: nil))
        let long = String(repeating: "a", count: 65)
        for code in ["OOM", "", "a-b", long] {
            let error = message(#"{"error": {"code": "\#(code)", "message": "m"}}"#)?.error
            #expect(error?.message == "m" && error?.code == nil)
        }
    }

    @Test(
        "does not parse what is not exactly a message",
        arguments: [
            "", "{}", "[]", "1", "null", "text", "{", #"{"progress": 0.5"#, #"{"progress": "0.5"}"#,
            #"{"progress": true}"#, #"{"progress": null}"#, #"{"message": 1}"#, #"{"checkpoint": null}"#,
            #"{"artifact": 1}"#, #"{"type": "a/b"}"#, #"{"role": "result"}"#, #"{"artifact": "a", "role": "other"}"#,
            #"{"artifact": "a", "type": 1}"#, #"{"output": 1}"#, #"{"output": []}"#, #"{"error": "x"}"#,
            #"{"error": {}}"#, #"{"error": {"message": 1}}"#, #"{"error": {"message": "m", "retryable": 1}}"#,
            #"{"error": {"message": "m", "other": 1}}"#, #"{"error": {"message": "m", "code": 1}}"#,
            #"{"progress": 0.5, "unknown": 1}"#, #"{"Progress": 0.5}"#, #"{"progress": 0.1, "progress": 0.2}"#,
            #"{"progress": 0.5} {}"#, #"{"progress": 1e999}"#, #"{"progress": NaN}"#, "{\"message\": \"\u{0}\"}",
        ])
    func noMessage(line: String) {
        #expect(message(line) == nil)
    }

    @Test("does not parse invalid UTF-8, nor JSON of depth 10,000, and does so quickly")
    func hostile() {
        #expect(StageMessage(line: Array(#"{"message": ""#.utf8) + [0xff, 0xfe] + Array(#""}"#.utf8)) == nil)
        let deep =
            #"{"checkpoint": "# + String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000) + "}"
        #expect(message(deep) == nil)
    }

    @Test("has a valid media type only in the form type/subtype")
    func mediaTypes() {
        func isValid(_ type: String) -> Bool {
            StageMessage.ArtifactNote(name: "a", type: type, role: .result).hasValidType
        }
        #expect(["video/mp4", "image/svg+xml", "application/vnd.x-y"].allSatisfy(isValid))
        let long = "a/" + String(repeating: "b", count: 126)
        #expect(
            !["", "video", "/", "a/", "/b", "a/b/c", "a/b\r\nX: y", "a/b; c=d", "ä/b", long].contains(where: isValid))
    }
}
