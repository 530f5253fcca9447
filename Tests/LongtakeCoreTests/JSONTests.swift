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

    @Test("a job shows every member, null where there is no value")
    func jobDocument() throws {
        let id = try #require(JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t2"))
        let stage = Job.Stage(
            name: StageName(unchecked: "s"), queue: QueueName(unchecked: "q"), state: .pending, progress: .none,
            attempt: 0,
            startedAt: nil, finishedAt: nil)
        let job = Job(
            id: id, tenant: .anonymous, pipeline: PipelineName(unchecked: "p"), state: .queued, progress: .none,
            stage: nil,
            stages: [stage], queuePosition: nil, input: .null, output: nil, error: nil, priority: .normal,
            metadata: ["z": "1", "y": "\""],
            cancelRequested: false, retryOf: nil, createdAt: Timestamp(millisecondsSince1970: 0), startedAt: nil,
            finishedAt: nil, lastEvent: EventID(epoch: Epoch(rawValue: 1), sequence: EventSequence(rawValue: 1)))
        let path = "/v1/jobs/\(id)"
        let rest =
            #""retry_of":null,"stage":null,"stages":[{"attempt":0,"finished_at":null,"name":"s","progress":0,"queue":"q","started_at":null,"state":"pending"}],"started_at":null,"state":"queued"}"#
        let head =
            #"{"cancel_requested":false,"created_at":"1970-01-01T00:00:00.000Z","error":null,"finished_at":null,"id":"\#(id)","input":null,"last_event_id":"00000001-1","links":{"cancel":"\#(path)/cancel","events":"\#(path)/events","self":"\#(path)"},"metadata":{"y":"\"","z":"1"},"output":null,"pipeline":"p","priority":0,"progress":0,"#
        #expect(try JSONText.encode(JobDocument(job)) == head + #""queue_position":null,"# + rest)
        #expect(try JSONText.encode(JobDocument(job, includesQueuePosition: false)) == head + rest)
    }
}
