import LongtakeCore
import Testing

@Suite("JSON")
struct JSONTests {
    @Test(
        "a value reads back as the same text",
        arguments: [
            "null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808", "1.5", "\"\"",
            "\"a/b é\"", "[]", "{}",
            #"{"a":[1,"x",null,{"b":false}],"c":0.25}"#,
            #"[[],[{"a":[]}],{},1.5,true,2]"#,
            #"{"":{"b":null,"c":true,"d":1.5,"e":"x","f":{},"g":[0]},"h":7}"#,
        ])
    func roundTrip(text: String) throws {
        #expect(try JSONText.encode(JSONText.decode(JSONValue.self, from: text)) == text)
    }

    @Test("a number beyond 64 bits stays a number, and 1 is no boolean")
    func numbers() throws {
        #expect(try JSONText.decode(JSONValue.self, from: "1e300") == .number(1e300))
        #expect(try JSONText.decode(JSONValue.self, from: "[1,0]") == .array([.integer(1), .integer(0)]))
        #expect(try JSONText.decode(JSONValue.self, from: "true") == .bool(true))
    }

    @Test("texts that look like something else stay texts")
    func texts() throws {
        let value = try JSONText.decode(JSONValue.self, from: #"{"a":"1","b":"true","c":"null","d":["2.5"]}"#)
        #expect(
            value
                == .object([
                    "a": .string("1"), "b": .string("true"), "c": .string("null"), "d": .array([.string("2.5")]),
                ]))
    }

    private struct Strict: Decodable {
        enum CodingKeys: String, CodingKey, CaseIterable { case a, b }

        init(from decoder: any Decoder) throws { try decoder.refuseKeys(otherThan: CodingKeys.self) }
    }

    @Test("an unknown key is refused by name, a known one is not")
    func strictKeys() throws {
        _ = try JSONText.decode(Strict.self, from: #"{"a":1}"#)
        let error = #expect(throws: DecodingError.self) {
            try JSONText.decode(Strict.self, from: #"{"a":1,"z":1,"c":1}"#)
        }
        guard case .dataCorrupted(let context) = error else {
            Issue.record("another error: \(String(describing: error))")
            return
        }
        #expect(context.codingPath.map(\.stringValue) == ["c"])
    }

    @Test(
        "escapes the characters that clients take for the end of a line, in events, jobs and documents",
        arguments: ["\u{85}", "\u{2028}", "\u{2029}", "a\u{2028}b\u{85}", "\u{c2}\u{80}\u{86}\u{2027}\u{202a}\u{e2}"])
    func lineBreaks(text: String) throws {
        let number = StageNumber(stage: StageName(unchecked: "s"), index: 1, of: 1)
        var writer = JSONWriter(capacity: 0)
        writer.value(.object([text: .string(text)]))
        for json in [
            try JSONText.encode([text: text]), writer.text,
            JobEvent(progress: .none, change: .stageProgress(number, progress: .none, message: text)).payload(),
        ] {
            #expect(!json.unicodeScalars.contains { ["\u{85}", "\u{2028}", "\u{2029}"].contains($0) }, "\(json)")
            #expect(
                try JSONText.decode(JSONValue.self, from: json)[text]
                    ?? JSONText.decode(JSONValue.self, from: json)["message"] == .string(text))
        }
        #expect(try JSONText.canonical([text]) == "[\"\(text)\"]")
    }

    @Test(
        "writes numbers in their shortest form",
        arguments: [
            (1.0, "1"), (0.5, "0.5"), (1e300, "1e+300"), (-0.1, "-0.1"), (9_007_199_254_740_992, "9007199254740992"),
        ])
    func numbers(number: Double, text: String) {
        var writer = JSONWriter(capacity: 0)
        writer.value(number)
        #expect(writer.text == text)
    }
}
