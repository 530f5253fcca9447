import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeStream

/// The parts of a shard: its mailbox and its timing wheel.
@Suite struct StreamShardTests {
    @Test("a mailbox is bounded, and dropped frames become a gap up to the newest one")
    func mailbox() {
        let job = Samples.submission(1).id
        let frames = (1...5).map { EventFrame(Frames.event($0, of: job)) }
        var mailbox = Mailbox(capacityBytes: frames[0].byteCount * 2)
        let scheduled = frames.map { mailbox.put($0) }
        #expect(scheduled == [true, false, false, false, false], "the first frame schedules a delivery")
        let delivery = mailbox.take()
        #expect(delivery.frames.map(\.sequence.rawValue) == [1, 2])
        #expect(
            delivery.gaps == [
                .job(frames[0].job): LogHead(epoch: frames[4].id.epoch, offset: LogOffset(frames[4].sequence)),
                .feed: LogHead(epoch: frames[4].id.epoch, offset: LogOffset(frames[4].position)),
            ])
        let isScheduledAgain = mailbox.put(frames[0])
        #expect(isScheduledAgain, "after a delivery, the next frame schedules another one")
    }

    @Test("a wheel returns each entry at its tick, even several rounds later")
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

    @Test("a suspension of the machine postpones all deadlines instead of firing them")
    func pause() {
        var counter = TickCounter(tick: .milliseconds(250))
        let ticks = [100, 1_000, 30_000, 250].map { counter.ticks(in: .milliseconds($0)) }
        #expect(ticks == [1, 4, 1, 1])
    }

    // Seen to fail without the rest of a tick.
    @Test("a loop that is always late postpones no deadline")
    func late() {
        var counter = TickCounter(tick: .milliseconds(250))
        let ticks = (0..<100).reduce(0) { sum, _ in sum + counter.ticks(in: .milliseconds(350)) }
        #expect(ticks == 140)
    }
}
