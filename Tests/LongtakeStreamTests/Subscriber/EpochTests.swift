import LongtakeCore
import LongtakeTesting
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import LongtakeStream

/// The history is replaced while streams are open: a restored backup, or a failover that lost its
/// tail.
@Suite("a new epoch")
struct EpochTests {
    @Test(
        "resets an open stream of a job, and all later ids have the new epoch",
        arguments: [true, false])
    func job(isRemote: Bool) async throws {
        let stage = try await Stage(isRemote: isRemote)
        try await stage.open(after: 0)
        try await stage.until { $0.text.contains("id: 00000001-1\n") }
        await stage.journal.origin.renewEpoch(Epoch(rawValue: 2))
        // The notice is about another job.
        _ = try await stage.journal.origin.submit(Samples.submission(2))
        try await stage.until { $0.text.contains("stream.reset") }
        let reset =
            "event: stream.reset\ndata: "
            + #"{"type":"stream.reset","reason":"epoch","requested":"00000001-1"}"# + "\n\n"
        let snapshot =
            "id: 00000002-1\nevent: job.snapshot\ndata: "
            + #"{"type":"job.snapshot","id":"00000002-1","job":{"#
        #expect(stage.sink.state.withLock { $0.text.contains(reset + snapshot) })
        _ = try await stage.journal.origin.cancel(stage.job, of: .anonymous)
        try await stage.until { $0.isFinished }
        #expect(stage.ids == ["00000001-1", "00000002-1", "00000002-2"])
        #expect(stage.sink.state.withLock { $0.text.ranges(of: "stream.reset\n").count } == 1)
        #expect(stage.hub.openStreams == 0)
    }

    @Test("resets an open stream of the feed, which continues from now", arguments: [true, false])
    func feed(isRemote: Bool) async throws {
        let stage = try await Stage(isRemote: isRemote)
        try await stage.open(after: 0, isFeed: true)
        try await stage.until { $0.text.contains("id: 00000001-g1\n") }
        await stage.journal.origin.renewEpoch(Epoch(rawValue: 2))
        _ = try await stage.journal.origin.submit(Samples.submission(2))
        try await stage.until { $0.text.contains("\n\nid: 00000002-g2\n\n") }
        _ = try await stage.journal.origin.submit(Samples.submission(3))
        try await stage.until { $0.text.contains("id: 00000002-g3\nevent: job.queued") }
        #expect(stage.ids == ["00000001-g1", "00000002-g2", "00000002-g3"])
        #expect(stage.sink.state.withLock { $0.text.contains(#""reason":"epoch","requested":"00000001-g1""#) })
    }

    @Test("is detected in the first page if it began before the stream started")
    func inPage() async throws {
        let stage = try await Stage()
        await stage.journal.origin.renewEpoch(Epoch(rawValue: 2))
        try await stage.open(after: 1)
        try await stage.until { $0.text.contains("stream.reset") }
        #expect(stage.ids == ["00000002-1"])
    }

    @Test("ends the stream of a finished job with its snapshot")
    func finalJob() async throws {
        let stage = try await Stage(isHeld: true)
        try await stage.open(after: 1)
        _ = try await stage.journal.origin.cancel(stage.job, of: .anonymous)
        await stage.journal.origin.renewEpoch(Epoch(rawValue: 2))
        _ = try await stage.journal.origin.submit(Samples.submission(2))
        stage.journal.open.give()
        try await stage.until { $0.isFinished }
        #expect(stage.ids.last == "00000002-2")
    }

    @Test("ends a wait")
    func waiting() async throws {
        let stage = try await Stage()
        let wait = try await stage.wait(behind: 50)
        await stage.journal.origin.renewEpoch(Epoch(rawValue: 2))
        _ = try await stage.journal.origin.submit(Samples.submission(2))
        try await stage.until { _ in wait.isSet.withLock { $0 } }
    }

    @Test("empties the rings, and no ring holds events of two epochs")
    func rings() throws {
        let rings = FrameRings(capacityBytes: 1 << 20)
        let job = Samples.submission(1).id
        func page(_ epoch: UInt32, through head: Int64) -> FramePage {
            let events = (1...head).map { Frames.event($0, of: job, epoch: epoch) }
            return FramePage(
                EventPage(
                    epoch: Epoch(rawValue: epoch), events: events, head: EventSequence(rawValue: head), isFinal: false))
        }
        let early = rings.prepare(job, of: .anonymous)
        rings.fill(job, early, with: page(1, through: 3))
        rings.append([EventFrame(Frames.event(4, of: job, epoch: 2))])
        #expect(rings.memoryBytes == 0, "an event of another epoch drops the ring")
        let ring = rings.prepare(job, of: .anonymous)
        rings.append([EventFrame(Frames.event(4, of: job, epoch: 1))])
        rings.fill(job, ring, with: page(2, through: 3))
        #expect(rings.memoryBytes == 0)
        let removed = rings.prepare(job, of: .anonymous)
        rings.removeAll()
        rings.fill(job, removed, with: page(1, through: 3))
        #expect(rings.memoryBytes == 0)
    }

    @Test("begins a new run, and replaces a gap of the old epoch")
    func runsAndGaps() {
        let job = Samples.submission(1).id
        let frames = [
            EventFrame(Frames.event(4, of: job, epoch: 1)), EventFrame(Frames.event(5, of: job, epoch: 2)),
        ]
        let run = FrameRun(frames, of: .job(job))
        #expect(run.frames.map(\.sequence.rawValue) == [5] && run.epoch == Epoch(rawValue: 2))
        var mailbox = Mailbox(capacityBytes: 0)
        for frame in frames { _ = mailbox.put(frame) }
        #expect(mailbox.take().gaps[.job(job)]?.epoch == Epoch(rawValue: 2))
    }
}
