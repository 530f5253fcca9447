import LongtakeCore
import LongtakeTesting
import NIOCore
import Testing

@testable import LongtakeStream

@Suite struct FrameRunTests {
    private static let job = Samples.submission(1).id

    private static func frame(
        _ sequence: Int64, at position: Int64, after previous: Int64, tenant: String = "anonymous",
        type: EventType = .stageProgress
    ) -> EventFrame {
        EventFrame(
            Frames.event(sequence, of: job, at: position, type: type, tenant: TenantName(unchecked: tenant)),
            after: EventPosition(rawValue: previous))
    }

    @Test("the bytes of a form are built once for all streams")
    func shared() throws {
        let run = FrameRun([Self.frame(7, at: 20, after: 18), Self.frame(8, at: 21, after: 20)], of: .job(Self.job))
        let form = WireForm(format: .events, isFeed: false, framing: Bracketed.self)
        let (one, two) = (run.bytes(form, of: .anonymous), run.bytes(form, of: .anonymous))
        let address = { (bytes: ByteBuffer?) in bytes?.withUnsafeReadableBytes { $0.baseAddress } }
        #expect(address(one) != nil && address(one) == address(two))
        #expect(run.bytes(form, of: TenantName(unchecked: "other")) == nil, "another tenant does not get these bytes")
        #expect(
            run.previous == LogOffset(EventSequence(rawValue: 6)) && run.last == LogOffset(EventSequence(rawValue: 8)))
    }

    @Test("in the feed, a run of several tenants has no shared bytes")
    func tenants() {
        let run = FrameRun(
            [Self.frame(7, at: 20, after: 19), Self.frame(8, at: 21, after: 20, tenant: "other")], of: .feed)
        let form = WireForm(format: .events, isFeed: true, framing: Unframed.self)
        #expect(run.bytes(form, of: .anonymous) == nil)
    }

    @Test("if an event is missing, the run begins after it")
    func missingEvents() {
        let feed = FrameRun([Self.frame(7, at: 20, after: 19), Self.frame(8, at: 25, after: 24)], of: .feed)
        #expect(feed.frames.map(\.position.rawValue) == [25] && feed.previous.rawValue == 24)
        let log = FrameRun([Self.frame(7, at: 20, after: 19), Self.frame(8, at: 25, after: 24)], of: .job(Self.job))
        #expect(log.frames.count == 2 && log.previous.rawValue == 6)
        let holed = FrameRun(
            [Self.frame(5, at: 20, after: 19), Self.frame(8, at: 25, after: 24)], of: .job(Self.job))
        #expect(holed.frames.count == 1 && holed.previous.rawValue == 7)
    }

    @Test("a run of several events can be longer than a page, a run of one event cannot")
    func long() {
        let text = "{\"progress\":0,\"message\":\"" + String(repeating: "x", count: Limits.bytesPerPage / 2) + "\"}"
        func run(_ count: Int64) -> FrameRun {
            let frames = (1...count).map { EventFrame(Frames.event($0, of: Self.job, payload: text)) }
            return FrameRun(frames, of: .job(Self.job))
        }
        #expect(!run(1).isLong && run(2).isLong)
    }

    @Test("a final event ends the log of its job, but not the feed")
    func finals() {
        let frame = Self.frame(9, at: 30, after: 29, type: .jobSucceeded)
        #expect(FrameRun([frame], of: .job(Self.job)).isFinal && !FrameRun([frame], of: .feed).isFinal)
    }
}

/// Events without a store.
enum Frames {
    static func event(
        _ sequence: Int64, of job: JobID, at position: Int64? = nil, type: EventType = .stageProgress,
        tenant: TenantName = .anonymous, epoch: UInt32 = 1, payload: String = #"{"progress":0.31}"#
    ) -> CommittedEvent {
        CommittedEvent(
            id: EventID(epoch: Epoch(rawValue: epoch), sequence: EventSequence(rawValue: sequence)),
            position: EventPosition(rawValue: position ?? sequence), job: job, tenant: tenant,
            pipeline: PipelineName(unchecked: "clip"), type: type, at: Timestamp(millisecondsSince1970: 0),
            payload: payload)
    }
}

/// A framing that a test can read.
enum Bracketed: StreamFraming {
    static var overhead: Int { 32 }
    static func writePrefix(of count: Int, into buffer: inout ByteBuffer) { buffer.writeString("<\(count)>") }
    static func writeSuffix(into buffer: inout ByteBuffer) { buffer.writeString("</>") }
}
