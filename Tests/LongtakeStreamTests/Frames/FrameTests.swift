import LongtakeAPI
import LongtakeCore
import NIOCore
import Testing

@testable import LongtakeStream

@Suite struct FrameTests {
    private static func event(_ sequence: Int64 = 18, payload: String = #"{"progress":0.31}"#) throws -> CommittedEvent
    {
        let job = try #require(JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t2"))
        return CommittedEvent(
            id: EventID(epoch: Epoch(rawValue: 0x7f3a_09c2), sequence: EventSequence(rawValue: sequence)),
            position: EventPosition(rawValue: 99), job: job, tenant: .anonymous,
            pipeline: PipelineName(unchecked: "clip"), type: .stageProgress,
            at: Timestamp(millisecondsSince1970: 0), payload: payload)
    }

    @Test("an event has the bytes of its format, with or without framing")
    func events() throws {
        let frame = EventFrame(try Self.event())
        let json =
            #"{"id":"7f3a09c2-18","type":"stage.progress","job":"job_01kaf3v6m7k2x0r8q5h1n9c4t2","seq":18,"#
            + #""at":"1970-01-01T00:00:00.000Z","progress":0.31}"#
        let expected: [(StreamFormat, isFeed: Bool, String)] = [
            (.events, false, "id: 7f3a09c2-18\nevent: stage.progress\ndata: \(json)\n\n"),
            (.messages, false, "id: 7f3a09c2-18\ndata: \(json)\n\n"),
            (.lines, false, json + "\n"),
            (.events, true, "id: 7f3a09c2-g99\nevent: stage.progress\ndata: \(json)\n\n"),
            (.messages, true, "id: 7f3a09c2-g99\ndata: \(json)\n\n"),
        ]
        for (format, isFeed, text) in expected {
            let plain = WireForm(format: format, isFeed: isFeed, framing: Unframed.self)
            #expect(String(buffer: plain.framed([frame])) == text)
            #expect(frame.byteCount(plain) == text.utf8.count)
            let framed = WireForm(format: format, isFeed: isFeed, framing: Bracketed.self)
            let length = text.utf8.count * 2
            #expect(String(buffer: framed.framed([frame, frame])) == "<\(length)>\(text)\(text)</>")
        }
    }

    @Test("control messages have the bytes of the API")
    func control() throws {
        let id = try Self.event().id
        let job = try Self.event().job
        let hello = ControlFrame.hello(
            job: job, cursor: "\(id)", head: "\(id)", heartbeatSeconds: 15, retryMilliseconds: 1_834)
        #expect(
            String(buffer: hello.bytes(.events))
                == "retry: 1834\nid: 7f3a09c2-18\nevent: stream.hello\ndata: {\"type\":\"stream.hello\",\"job\":\"\(job)\","
                + "\"cursor\":\"7f3a09c2-18\",\"head\":\"7f3a09c2-18\",\"heartbeat_seconds\":15}\n\n")
        #expect(hello.bytes(.lines).readableBytes == 0)
        let end = ControlFrame.end(reason: .maxAge, retryMilliseconds: 1_000)
        #expect(
            String(buffer: end.bytes(.events))
                == "retry: 1000\nevent: stream.end\ndata: {\"type\":\"stream.end\",\"reason\":\"max_age\"}\n\n")
        #expect(String(buffer: end.bytes(.lines)) == "{\"type\":\"stream.end\",\"reason\":\"max_age\"}\n")
        #expect(String(buffer: ControlFrame.heartbeat.bytes(.events)) == ": hb\n\n")
        #expect(String(buffer: ControlFrame.heartbeat.bytes(.lines)) == "\n")
        #expect(
            String(buffer: ControlFrame.heartbeatEvent(queuePosition: nil).bytes(.events))
                == "event: stream.heartbeat\ndata: {\"type\":\"stream.heartbeat\"}\n\n")
    }

    @Test("stream.reset quotes the invalid cursor, at most 64 bytes and whole characters of it")
    func requested() {
        let text = "a\"\n" + String(repeating: "é", count: 60)
        let frame = String(buffer: ControlFrame.reset(reason: .malformed, requested: text).bytes(.lines))
        let shown = #"a\"\n"# + String(repeating: "é", count: 30)
        #expect(frame == #"{"type":"stream.reset","reason":"malformed","requested":"\#(shown)"}"# + "\n")
    }
}
