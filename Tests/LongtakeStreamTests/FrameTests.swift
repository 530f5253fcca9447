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

    @Test("an event has the same bytes in each format")
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

    @Test("control blocks are as the contract writes them")
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

    @Test("a refused cursor is repeated safely: cut at 64 bytes on the border of a character, quoted")
    func requested() {
        let text = "a\"\n" + String(repeating: "é", count: 60)
        let frame = String(buffer: ControlFrame.reset(reason: .malformed, requested: text).bytes(.lines))
        let shown = #"a\"\n"# + String(repeating: "é", count: 30)
        #expect(frame == #"{"type":"stream.reset","reason":"malformed","requested":"\#(shown)"}"# + "\n")
    }

    @Test("a mailbox is bounded, and what it drops becomes a gap up to the newest event")
    func mailbox() throws {
        let frames = try (1...5).map { EventFrame(try Self.event(Int64($0))) }
        var mailbox = Mailbox(capacityBytes: frames[0].byteCount * 2)
        let scheduled = frames.map { mailbox.put($0) }
        #expect(scheduled == [true, false, false, false, false], "the first schedules a delivery")
        let delivery = mailbox.take()
        #expect(delivery.frames.map(\.sequence.rawValue) == [1, 2])
        #expect(
            delivery.gaps == [
                    .job(frames[0].job): LogHead(epoch: frames[4].id.epoch, place: LogPlace(frames[4].sequence)),
                    .feed: LogHead(epoch: frames[4].id.epoch, place: LogPlace(frames[4].position)),
                ])
        let isScheduledAgain = mailbox.put(frames[0])
        #expect(isScheduledAgain, "after a delivery the next schedules one again")
    }

    @Test("a wheel gives each entry back at its tick, also when that is rounds away")
    func wheel() {
        var wheel = TimingWheel<Int>(slots: 4)
        for tick in [1, 3, 4, 9, 9, 0] { wheel.schedule(tick, at: tick) }
        var seen: [Int: [Int]] = [:]
        for _ in 0..<12 {
            let due = wheel.advance()
            if !due.isEmpty { seen[wheel.now] = due }
        }
        #expect(seen == [1: [1, 0], 3: [3], 4: [4], 9: [9, 9]])
        #expect(wheel.count == 0)
    }

    @Test("a machine that was paused shifts all deadlines instead of firing them")
    func pause() {
        var counter = TickCounter(tick: .milliseconds(250))
        let ticks = [100, 1_000, 30_000, 250].map { counter.ticks(in: .milliseconds($0)) }
        #expect(ticks == [1, 4, 1, 1])
    }

    // Seen to fail with what is left of a tick thrown away.
    @Test("a loop that is always late puts no deadline off")
    func late() {
        var counter = TickCounter(tick: .milliseconds(250))
        let ticks = (0..<100).reduce(0) { sum, _ in sum + counter.ticks(in: .milliseconds(350)) }
        #expect(ticks == 140)
    }
}
