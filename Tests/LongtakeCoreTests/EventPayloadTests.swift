import LongtakeCore
import Testing

/// These bytes are a promise: an event is shown with them for ever, also by later versions.
@Suite("The bytes of an event")
struct EventPayloadTests {
    private static let number = StageNumber(stage: StageName(unchecked: "frames"), index: 4, of: 8)
    private static let error = JobError(
        code: "stage_failed", message: "a \"b\"/\n", stage: StageName(unchecked: "frames"))

    private static let pinned: [(JobEvent.Change, String)] = [
        (
            .queued(
                pipeline: PipelineName(unchecked: "p"), stages: [StageName(unchecked: "a"), StageName(unchecked: "b")],
                priority: Priority(-3) ?? .normal),
            #"{"progress":0.3125,"pipeline":"p","stages":["a","b"],"priority":-3}"#
        ),
        (.started(stage: StageName(unchecked: "frames")), #"{"progress":0.3125,"stage":"frames"}"#),
        (
            .stageStarted(number, attempt: 2, queue: QueueName(unchecked: "gpu")),
            #"{"progress":0.3125,"stage":"frames","index":4,"of":8,"attempt":2,"queue":"gpu"}"#
        ),
        (
            .stageProgress(number, progress: Progress(0.42), message: "frame 101 of 192"),
            #"{"progress":0.3125,"stage":"frames","index":4,"of":8,"stage_progress":0.42,"message":"frame 101 of 192"}"#
        ),
        (
            .artifactCreated(
                Artifact(
                    name: ArtifactName(unchecked: "a \"b\".mp4"), type: "video/mp4",
                    content: Content(hash: ContentHash(bytes: 0..<32), bytes: 9_120_344), role: .result),
                stage: StageName(unchecked: "frames")),
            #"{"progress":0.3125,"stage":"frames","name":"a \"b\".mp4","content_type":"video/mp4","bytes":9120344,"sha256":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f","role":"result"}"#
        ),
        (
            .stageSucceeded(number, seconds: 12.5),
            #"{"progress":0.3125,"stage":"frames","index":4,"of":8,"duration_seconds":12.5}"#
        ),
        (
            .stageRetrying(
                stage: StageName(unchecked: "frames"), attempt: 2, delay: .milliseconds(2_125), error: error),
            #"{"progress":0.3125,"stage":"frames","attempt":2,"delay_seconds":2.125,"error":{"code":"stage_failed","message":"a \"b\"/\n","stage":"frames"}}"#
        ),
        (
            .interrupted(reason: .shutdown, stage: StageName(unchecked: "frames")),
            #"{"progress":0.3125,"reason":"shutdown","stage":"frames"}"#
        ),
        (
            .resumed(reason: .crash, stage: StageName(unchecked: "frames"), progress: .complete),
            #"{"progress":0.3125,"reason":"crash","stage":"frames","stage_progress":1}"#
        ),
        (.cancelRequested(stage: StageName(unchecked: "frames")), #"{"progress":0.3125,"stage":"frames"}"#),
        (
            .succeeded(output: .object(["b": .array([.null, .bool(true)]), "a": .integer(1)]), seconds: 0),
            #"{"progress":0.3125,"output":{"a":1,"b":[null,true]},"duration_seconds":0,"final":true}"#
        ),
        (
            .failed(JobError(code: "c", message: "m", stage: nil)),
            #"{"progress":0.3125,"error":{"code":"c","message":"m","stage":null},"final":true}"#
        ),
        (.canceled, #"{"progress":0.3125,"final":true}"#),
    ]

    @Test("are pinned for every type")
    func bytes() throws {
        for (change, text) in Self.pinned {
            #expect(JobEvent(progress: Progress(0.3125), change: change).payload() == text)
        }
        let types = Set(Self.pinned.map { JobEvent(progress: .none, change: $0.0).type })
        #expect(types == Set(EventType.allCases))
    }

    @Test(
        "are JSON whatever a message holds",
        arguments: [
            "", "\"", "\\", "\\u0000", "\u{0}\u{1}\u{8}\u{b}\u{c}\u{1f}\u{7f}", "\r\n", "\t", "\u{2028}\u{2029}",
            "👩‍👩‍👧 é e\u{301}",
            "</script>", "\u{feff}", "\u{fffd}", "{\"a\":[1]}",
        ])
    func nastyStrings(message: String) throws {
        let change = JobEvent.Change.stageProgress(Self.number, progress: .none, message: message)
        let payload = JobEvent(progress: .none, change: change).payload()
        #expect(!payload.utf8.contains { $0 < 0x20 }, "a raw control character breaks the lines of a stream")
        let value = try JSONText.decode(JSONValue.self, from: payload)
        #expect(value["message"]?.text.map { Array($0.utf8) } == Array(message.utf8))
    }

    @Test("begin with id, type, job, seq and at")
    func line() throws {
        let job = try #require(JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t2"))
        let event = CommittedEvent(
            id: EventID(epoch: Epoch(rawValue: 0x7f3a_09c2), sequence: EventSequence(rawValue: 18)),
            position: EventPosition(rawValue: 99), job: job, tenant: .anonymous,
            pipeline: PipelineName(unchecked: "clip"), type: .jobCanceled,
            at: Timestamp(millisecondsSince1970: 0), payload: #"{"progress":0,"final":true}"#)
        #expect(
            event.json
                == #"{"id":"7f3a09c2-18","type":"job.canceled","job":"job_01kaf3v6m7k2x0r8q5h1n9c4t2","seq":18,"at":"1970-01-01T00:00:00.000Z","progress":0,"final":true}"#
        )
        for sequence in [1, 9, 10, 99, 100, 123_456_789, .max] as [Int64] {
            for type in EventType.allCases {
                let event = CommittedEvent(
                    id: EventID(epoch: Epoch(rawValue: 0x0a), sequence: EventSequence(rawValue: sequence)),
                    position: event.position, job: job, tenant: .anonymous, pipeline: event.pipeline, type: type,
                    at: event.at, payload: #"{"progress":0,"message":"é"}"#)
                #expect(event.json.utf8.count == event.jsonByteCount)
                #expect(event.json.hasPrefix("{\"id\":\"0000000a-\(sequence)\",\"type\":\"\(type.rawValue)\","))
                #expect(event.json.contains(",\"seq\":\(sequence),"))
            }
        }
    }
}
